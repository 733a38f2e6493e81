/* For tests in which memory runs out: an attempt is made with the first allocation failing, then the second, and so on
 * until none is left to fail; once with only that one failing, once with all that follow. */
#ifndef SHARE_FAILING_H
#define SHARE_FAILING_H

#include "share_lua.h"

#include "core/alloc.h"
#include "sharetable/vm_close.h"

static long left; /* allocations that succeed */
static bool for_good;

static inline bool fails(size_t size) {
	(void)size;
	left--;
	return left == -1 || (left < -1 && for_good);
}

static inline void *vm_alloc(void *ud, void *p, size_t old, size_t size) {
	(void)ud;
	if (size == 0) {
		free(p);
		return NULL;
	}
	if (reef_alloc_fails != NULL && (p == NULL || size > old) && fails(size))
		return NULL;
	return realloc(p, size);
}

/* A VM whose allocations fail, too; with a module as a global. */
static inline lua_State *new_failing_vm(const char *name, lua_CFunction open) {
	lua_State *L = lua_newstate(vm_alloc, NULL);
	luaL_openlibs(L);
	luaL_requiref(L, name, open, 1);
	lua_pop(L, 1);
	return L;
}

/* What is tried: returns a status, its message on the stack. The others run with memory: before it, when it failed, and when
 * it was done at last. */
struct attempt {
	lua_State *(*new_vm)(void);
	void (*before)(lua_State *L);
	int (*attempt)(lua_State *L);
	void (*failed)(lua_State *L);
	void (*done)(lua_State *L);
};

static inline void check_message(lua_State *L, long n) {
	const char *text = lua_tostring(L, -1);
	if (text == NULL || strstr(text, "not enough memory") == NULL)
		fail_msg("allocation %ld: %s", n, text);
}

/* Fails each allocation in turn until none is left to fail. */
static inline void at_every_step(const struct attempt *a) {
	int failures = 0;
	for (int mode = 0; mode < 2; mode++) {
		for (long n = 0;; n++) {
			lua_State *L = a->new_vm();
			a->before(L);
			int top = lua_gettop(L);
			left = n;
			for_good = mode == 1;
			reef_alloc_fails = fails;
			int status = a->attempt(L);
			reef_alloc_fails = NULL;
			bool over = left >= 0;
			if (status != LUA_OK) {
				check_message(L, n);
				failures++;
				lua_settop(L, top);
				a->failed(L);
				assert_int_equal(a->attempt(L), LUA_OK);
			}
			lua_settop(L, top);
			a->done(L);
			reef_vm_close(L);
			if (over)
				break;
			assert_true(n < 100000);
		}
	}
	assert_true(failures > 4);
}

static inline int call_global(lua_State *L, const char *name) {
	lua_getglobal(L, name);
	return lua_pcall(L, 0, 0, 0);
}

#endif
