/* The Lua module `reef.terminal`: the terminal that a command is used on. */
#ifndef REEF_LUA_TERMINAL_H
#define REEF_LUA_TERMINAL_H

#include <lua.h>

int reef_open_terminal(lua_State *L);

#endif
