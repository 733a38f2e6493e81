/* The Lua modules `reef.host` (the table `skynet`) and `skynet.core`. */
#ifndef REEF_LUA_CORE_H
#define REEF_LUA_CORE_H

#include <lua.h>

int reef_open_host(lua_State *L);
int reef_open_core(lua_State *L);

#endif
