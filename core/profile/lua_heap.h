/* The Lua module `reef.profile.heap`. */
#ifndef REEF_PROFILE_LUA_HEAP_H
#define REEF_PROFILE_LUA_HEAP_H

#include <lua.h>

int reef_open_heap(lua_State *L);

#endif
