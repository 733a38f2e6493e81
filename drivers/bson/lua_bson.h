/* The Lua module `bson`. */
#ifndef REEF_BSON_LUA_BSON_H
#define REEF_BSON_LUA_BSON_H

#include <lua.h>

int reef_lua_bson_open(lua_State *L);

#endif
