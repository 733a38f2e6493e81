/* The Lua module `reef.redis.cache.core`. */
#ifndef REEF_CACHE_LUA_H
#define REEF_CACHE_LUA_H

#include <lua.h>

/* Own slice only. */
int reef_lua_cache_open(lua_State *L);

#endif
