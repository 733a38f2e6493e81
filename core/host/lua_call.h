/* Functions for Lua that ask other services. */
#ifndef REEF_LUA_CALL_H
#define REEF_LUA_CALL_H

#include <lua.h>

int reef_lua_call_call(lua_State *L);
int reef_lua_call_rawcall(lua_State *L);
int reef_lua_call_post(lua_State *L);
int reef_lua_call_forget(lua_State *L);

#endif
