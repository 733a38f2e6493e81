/* The Lua module reef.sharetable. */
#ifndef REEF_SHARETABLE_LUA_SHARETABLE_H
#define REEF_SHARETABLE_LUA_SHARETABLE_H

#include <lua.h>

int reef_sharetable_open(lua_State *L);

#endif
