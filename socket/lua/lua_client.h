/* The Lua module client.socket: a TCP client for scripts that test a server. */
#ifndef REEF_SOCKET_LUA_LUA_CLIENT_H
#define REEF_SOCKET_LUA_LUA_CLIENT_H

#include <lua.h>

int reef_lua_client_open(lua_State *L);

#endif
