/* The Lua module skynet.socketdriver. */
#ifndef REEF_SOCKET_LUA_LUA_DRIVER_H
#define REEF_SOCKET_LUA_LUA_DRIVER_H

#include <lua.h>

int reef_lua_driver_open(lua_State *L);

#endif
