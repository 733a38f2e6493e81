/* See failure.h. */
#include "failure.h"

#include <lauxlib.h>

void reef_failure_push(lua_State *build, int function, lua_State *to, const struct reef_failure *what) {
	luaL_checkstack(build, LUA_MINSTACK, NULL);
	lua_rawgeti(build, LUA_REGISTRYINDEX, function);
	lua_pushstring(build, what->code);
	lua_pushstring(build, what->outcome);
	lua_pushstring(build, what->command);
	lua_pushnumber(build, what->waited);
	lua_pushstring(build, what->why);
	lua_pushinteger(build, (lua_Integer)what->in_flight);
	lua_pushinteger(build, (lua_Integer)what->unsent);
	lua_pushinteger(build, (lua_Integer)what->queued);
	lua_pushinteger(build, (lua_Integer)what->pin);
	/* What goes wrong in there is the error then. */
	(void)lua_pcall(build, 9, 1, 0);
	lua_xmove(build, to, 1);
}
