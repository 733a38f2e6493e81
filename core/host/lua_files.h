/* The Lua module `reef.files`: what is at a path, without opening it. */
#ifndef REEF_LUA_FILES_H
#define REEF_LUA_FILES_H

#include <lua.h>

int reef_open_files(lua_State *L);

#endif
