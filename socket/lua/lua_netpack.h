/* The Lua module skynet.netpack. */
#ifndef REEF_SOCKET_LUA_LUA_NETPACK_H
#define REEF_SOCKET_LUA_LUA_NETPACK_H

#include <lua.h>

struct reef_netpack;

int reef_lua_netpack_open(lua_State *L);

/* The queue at that index; NULL if it is none. */
struct reef_netpack *reef_lua_netpack_queue(lua_State *L, int index);

/* () -> queue, as filter makes it when it gets none */
int reef_lua_netpack_new(lua_State *L);
/* (queue, id, address, source, type): packets of that stream become messages from that source (0: this service), with the
 * session `id`, as soon as they are whole, and filter does not give them; (queue, id): not any more */
int reef_lua_netpack_route(lua_State *L);

#endif
