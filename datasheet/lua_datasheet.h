/* The Lua module `reef.datasheet.core`. */
#ifndef REEF_DATASHEET_LUA_DATASHEET_H
#define REEF_DATASHEET_LUA_DATASHEET_H

#include <lua.h>

int reef_datasheet_open(lua_State *L);

#endif
