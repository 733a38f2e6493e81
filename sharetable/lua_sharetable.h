/* The Lua module reef.sharetable. */
#ifndef REEF_SHARETABLE_LUA_SHARETABLE_H
#define REEF_SHARETABLE_LUA_SHARETABLE_H

#include <lua.h>

int reef_sharetable_open(lua_State *L);
/* After an update that could not let go of an old version: tries again after each of the VM's collections. */
void reef_sharetable_retry(lua_State *L);

#endif
