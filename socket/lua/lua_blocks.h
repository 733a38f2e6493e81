/* The Lua module reef.blocks.core: large blocks in pieces. */
#ifndef REEF_SOCKET_LUA_LUA_BLOCKS_H
#define REEF_SOCKET_LUA_LUA_BLOCKS_H

#include <lua.h>

int reef_lua_blocks_open(lua_State *L);

#endif
