/* The Lua module reef.fd.core. */
#ifndef REEF_SOCKET_LUA_LUA_FD_H
#define REEF_SOCKET_LUA_LUA_FD_H

#include <lua.h>

int reef_lua_fd_open(lua_State *L);

#endif
