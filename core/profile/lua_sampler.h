/* The Lua module `reef.profile.sampler`. */
#ifndef REEF_PROFILE_LUA_SAMPLER_H
#define REEF_PROFILE_LUA_SAMPLER_H

#include <lua.h>

int reef_open_sampler(lua_State *L);

#endif
