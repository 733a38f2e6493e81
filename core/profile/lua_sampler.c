/* Profiles for Lua: an object each, which ends the profile when it is collected or its service ends; and what files of
 * profiles need (gzip). */
#include "lua_sampler.h"

#include <limits.h>

#include <lauxlib.h>

#include "allocations.h"
#include "gzip.h"
#include "sampler.h"

#define TYPE "reef.profile"

static struct reef_sampler **check(lua_State *L) {
	struct reef_sampler **p = luaL_checkudata(L, 1, TYPE);
	luaL_argcheck(L, *p, 1, "the profile is over");
	return p;
}

static lua_Integer field(lua_State *L, const char *name, lua_Integer low, lua_Integer high, lua_Integer otherwise) {
	int is_integer = 1;
	lua_Integer n = otherwise;
	if (lua_getfield(L, 1, name) != LUA_TNIL)
		n = lua_tointegerx(L, -1, &is_integer);
	lua_pop(L, 1);
	if (!is_integer || n < low || n > high)
		luaL_error(L, "profile: %s has to be an integer from %I to %I", name, (LUAI_UACINT)low, (LUAI_UACINT)high);
	return n;
}

/* start{kind = 0 (CPU time) or 1 (bytes), service =, pattern =, lines =, hz =} -> a profile; nil and why there is none */
static int sampler_start(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	struct reef_sampler_options options = {
			.kind = field(L, "kind", 0, 1, 0) == 0 ? REEF_SAMPLER_CPU : REEF_SAMPLER_BYTES,
			.handle = (uint32_t)field(L, "service", 0, UINT32_MAX, 0),
			.frequency = (unsigned)field(L, "hz", 1, 1000, 99),
	};
	lua_getfield(L, 1, "lines");
	options.lines = lua_toboolean(L, -1);
	lua_getfield(L, 1, "pattern");
	options.pattern = lua_tostring(L, -1);
	struct reef_sampler **p = lua_newuserdatauv(L, sizeof(*p), 0);
	*p = NULL;
	luaL_setmetatable(L, TYPE);
	const char *why = NULL;
	*p = reef_sampler_start(&options, &why);
	if (*p)
		return 1;
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

/* profile:stop(): no more samples */
static int sampler_stop(lua_State *L) {
	reef_sampler_stop(*check(L));
	return 0;
}

/* profile:count() -> samples so far */
static int sampler_count(lua_State *L) {
	lua_pushinteger(L, (lua_Integer)reef_sampler_count(*check(L)));
	return 1;
}

static void add_stack(void *ud, const char *text, size_t n, uint64_t value) {
	lua_State *L = ud;
	lua_pushlstring(L, text, n);
	lua_pushinteger(L, (lua_Integer)value);
	lua_rawset(L, -3);
}

/* profile:stacks() -> {[stack] = nanoseconds or bytes}, once it was stopped */
static int sampler_stacks(lua_State *L) {
	struct reef_sampler *sampler = *check(L);
	reef_sampler_stop(sampler);
	lua_newtable(L);
	reef_sampler_each(sampler, add_stack, L);
	return 1;
}

/* profile:free(): it is over, and its memory given back */
static int sampler_free(lua_State *L) {
	struct reef_sampler **p = luaL_checkudata(L, 1, TYPE);
	reef_sampler_free(*p);
	*p = NULL;
	return 0;
}

/* name(function, name): a function of C is called that in profiles */
static int sampler_name(lua_State *L) {
	lua_CFunction function = lua_tocfunction(L, 1);
	const char *name = luaL_checkstring(L, 2);
	if (function)
		reef_sampler_name((void (*)(void))function, name);
	return 0;
}

/* fits(address, pattern) -> whether the name of that service fits the shell pattern */
static int sampler_fits(lua_State *L) {
	lua_pushboolean(L, reef_sampler_fits((uint32_t)luaL_checkinteger(L, 1), luaL_checkstring(L, 2)));
	return 1;
}

int reef_open_sampler(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"start", sampler_start},
			{"name", sampler_name},
			{"watch", reef_lua_allocations_watch},
			{"unwatch", reef_lua_allocations_unwatch},
			{"fits", sampler_fits},
			{"gzip", reef_lua_gzip},
			{NULL, NULL},
	};
	static const luaL_Reg methods[] = {
			{"stop", sampler_stop}, {"count", sampler_count},  {"stacks", sampler_stacks}, {"free", sampler_free},
			{"__gc", sampler_free}, {"__close", sampler_free}, {"__index", NULL},          {NULL, NULL}};
	if (luaL_newmetatable(L, TYPE)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	luaL_newlib(L, functions);
	return 1;
}
