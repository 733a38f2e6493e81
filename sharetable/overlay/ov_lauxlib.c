/* lauxlib.c with the places of blame.h in front of messages. */
#include <lprefix.h>

#define LUA_LIB
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "blame.h"

static void reef_where(lua_State *L, int level);
static int reef_argerror(lua_State *L, int arg, const char *why);
LUALIB_API void stock_where(lua_State *L, int level);
LUALIB_API int stock_argerror(lua_State *L, int arg, const char *why);

/* Renames the definitions but sends their callers elsewhere: see ov_lstring.c. */
#define luaL_where(a, ...) REEF_WHERE_##a, __VA_ARGS__)
#define REEF_WHERE_lua_State stock_where(lua_State
#define REEF_WHERE_L reef_where(L
#define luaL_argerror(a, ...) REEF_ARGERROR_##a, __VA_ARGS__)
#define REEF_ARGERROR_lua_State stock_argerror(lua_State
#define REEF_ARGERROR_L reef_argerror(L
#include "lauxlib.c"
#undef luaL_where
#undef luaL_argerror

/* The level says which of the library's functions is to be named: it is the user's whatever it is. */
static void reef_where(lua_State *L, int level) {
	struct reef_blame blame;
	if (level > 0 && reef_blame(L, &blame))
		reef_blame_push(L, &blame, "");
	else
		stock_where(L, level);
}

/* The function whose argument is bad is not the one that the user has called, which may have the same name. */
static int reef_argerror(lua_State *L, int arg, const char *why) {
	struct reef_blame blame;
	lua_Debug ar;
	if (reef_blame(L, &blame) && blame.name != NULL && !blame.no_object && lua_getstack(L, 0, &ar) &&
		lua_getinfo(L, "n", &ar) && (ar.name == NULL || strcmp(ar.name, blame.name) != 0))
		why = lua_pushfstring(L, "%s, in '%s'", why, blame.name);
	return stock_argerror(L, arg, why);
}

void luaL_where(lua_State *L, int level) {
	reef_where(L, level);
}

int luaL_argerror(lua_State *L, int arg, const char *why) {
	return reef_argerror(L, arg, why);
}
