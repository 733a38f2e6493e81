/* The Lua module `reef.memory`: statistics of the process' allocator. Any service. */
#ifndef REEF_LUA_MEMORY_H
#define REEF_LUA_MEMORY_H

#include <lua.h>

int reef_open_memory(lua_State *L);

#endif
