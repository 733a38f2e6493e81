/* See lua_handle.h. */
#include "drivers/http/lua_handle.h"

#include "socket/lua/readers.h"

void reef_lua_handle_methods(lua_State *L, const char *name, const luaL_Reg *methods, int count,
							 lua_CFunction collect) {
	luaL_newmetatable(L, name);
	lua_createtable(L, 0, count);
	lua_pushvalue(L, -2);
	reef_readers_push(L);
	luaL_setfuncs(L, methods, 2);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "__index");
	lua_pushcfunction(L, collect);
	lua_setfield(L, -3, "__gc");
	lua_remove(L, -2);
}
