/* Userdata that are asked for often: the metatable is compared with an upvalue, which is faster than by its name. */
#ifndef REEF_HTTP_LUA_HANDLE_H
#define REEF_HTTP_LUA_HANDLE_H

#include <lauxlib.h>
#include <lua.h>

/* What methods have as their upvalues. */
enum { REEF_HTTP_METATABLE = 1, REEF_HTTP_READERS };

/* The userdata at index 1; raises if its metatable is not the one called `name`. */
static inline void *reef_lua_handle(lua_State *L, const char *name) {
	void *handle = lua_touserdata(L, 1);
	if (handle == NULL || !lua_getmetatable(L, 1))
		return luaL_checkudata(L, 1, name);
	int equal = lua_rawequal(L, -1, lua_upvalueindex(REEF_HTTP_METATABLE));
	lua_pop(L, 1);
	return equal ? handle : luaL_checkudata(L, 1, name);
}

/* Makes the metatable `name` with these methods, and leaves the table of them on the stack. */
void reef_lua_handle_methods(lua_State *L, const char *name, const luaL_Reg *methods, int count, lua_CFunction collect);

#endif
