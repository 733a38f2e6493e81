/* The Lua module reef.socketcore, the C half of reef.socket. */
#ifndef REEF_SOCKET_LUA_LUA_CORE_H
#define REEF_SOCKET_LUA_LUA_CORE_H

#include <lua.h>

int reef_lua_core_open(lua_State *L);
int reef_lua_core_set_notify(lua_State *L);

#endif
