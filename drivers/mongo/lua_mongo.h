/* The Lua module `reef.mongo.core`. */
#ifndef REEF_LUA_MONGO_H
#define REEF_LUA_MONGO_H

#include <lua.h>

int reef_lua_mongo_open(lua_State *L);

#endif
