/* The Lua module skynet.netpack. */
#ifndef REEF_SOCKET_LUA_LUA_NETPACK_H
#define REEF_SOCKET_LUA_LUA_NETPACK_H

#include <lua.h>

int reef_lua_netpack_open(lua_State *L);

#endif
