/* For compat/no_memory.lua, a Lua module: allocations of the calling thread fail, until told otherwise.
 *
 *   at(n)     the n-th from now on (0: the next) fails, those behind it do not
 *   from(n)   that one and those behind it fail, a hundred
 *   above(n)  whatever is larger than n bytes fails, on all threads
 *   off() -> how many failed */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <lauxlib.h>

extern bool (*reef_alloc_fails)(size_t size);

enum { FAILURES = 100 };

static _Thread_local long left;
static _Thread_local bool armed, for_good;
static atomic_size_t most;
static atomic_long failed;

static bool counted_out(size_t size) {
	(void)size;
	if (!armed || left-- > 0)
		return false;
	failed++;
	armed = for_good && failed < FAILURES;
	return true;
}

static bool too_large(size_t size) {
	if (size <= most)
		return false;
	failed++;
	return true;
}

static int arm(lua_State *L, bool good) {
	left = (long)luaL_checkinteger(L, 1);
	for_good = good;
	failed = 0;
	armed = true;
	__atomic_store_n(&reef_alloc_fails, counted_out, __ATOMIC_RELAXED);
	return 0;
}

static int l_at(lua_State *L) {
	return arm(L, false);
}

static int l_from(lua_State *L) {
	return arm(L, true);
}

static int l_above(lua_State *L) {
	most = (size_t)luaL_checkinteger(L, 1);
	failed = 0;
	__atomic_store_n(&reef_alloc_fails, too_large, __ATOMIC_RELAXED);
	return 0;
}

static int l_off(lua_State *L) {
	__atomic_store_n(&reef_alloc_fails, NULL, __ATOMIC_RELAXED);
	armed = false;
	lua_pushinteger(L, failed);
	return 1;
}

int luaopen_failing(lua_State *L);

int luaopen_failing(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"at", l_at}, {"from", l_from}, {"above", l_above}, {"off", l_off}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
