/* The Lua module skynet.stm. */
#ifndef REEF_SHARETABLE_LUA_STM_H
#define REEF_SHARETABLE_LUA_STM_H

#include <lua.h>

int reef_stm_open(lua_State *L);

#endif
