/* The Lua module skynet.netpack. */
#ifndef REEF_SOCKET_LUA_LUA_NETPACK_H
#define REEF_SOCKET_LUA_LUA_NETPACK_H

#include <lua.h>

struct reef_netpack;

int reef_lua_netpack_open(lua_State *L);

/* The queue at that index; NULL if it is none. */
struct reef_netpack *reef_lua_netpack_queue(lua_State *L, int index);

#endif
