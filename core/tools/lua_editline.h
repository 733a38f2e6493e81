/* The Lua module `reef.editline`: lines that are edited. */
#ifndef REEF_LUA_EDITLINE_H
#define REEF_LUA_EDITLINE_H

#include <lua.h>

int reef_open_editline(lua_State *L);

#endif
