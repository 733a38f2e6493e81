/* The Lua module `reef.look`: what the coroutines of the own service wait for, what any service does at the moment, the
 * slowest messages, and the last lines of the log. For who looks at a process from outside. Own slice only. */
#ifndef REEF_LUA_LOOK_H
#define REEF_LUA_LOOK_H

#include <lua.h>

int reef_open_look(lua_State *L);

#endif
