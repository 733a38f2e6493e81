/* The Lua module skynet.codecache. */
#ifndef REEF_SHARETABLE_LUA_CODECACHE_H
#define REEF_SHARETABLE_LUA_CODECACHE_H

#include <lua.h>

int reef_codecache_open(lua_State *L);

#endif
