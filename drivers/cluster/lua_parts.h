/* The Lua module `reef.cluster.core`: large messages between nodes, cut into parts and put together again, with one copy
 * each way. A large message is a light userdata with its size, a block from reef_malloc that belongs to whoever has it;
 * skynet.trash frees it, sending it to a service passes it on. */
#ifndef REEF_CLUSTER_LUA_PARTS_H
#define REEF_CLUSTER_LUA_PARTS_H

#include <lua.h>

int reef_lua_parts_open(lua_State *L);

#endif
