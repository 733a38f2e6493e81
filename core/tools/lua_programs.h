/* The Lua module `reef.programs`: programs that run beside this process. */
#ifndef REEF_LUA_PROGRAMS_H
#define REEF_LUA_PROGRAMS_H

#include <lua.h>

int reef_open_programs(lua_State *L);

#endif
