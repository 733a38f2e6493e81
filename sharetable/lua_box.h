/* The Lua module reef.box. */
#ifndef REEF_SHARETABLE_LUA_BOX_H
#define REEF_SHARETABLE_LUA_BOX_H

#include <lua.h>

int reef_box_open(lua_State *L);

#endif
