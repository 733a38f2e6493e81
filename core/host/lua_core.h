/* The Lua modules `reef.host` (the table `skynet`) and `skynet.core`. */
#ifndef REEF_LUA_CORE_H
#define REEF_LUA_CORE_H

#include <stdbool.h>

#include <lua.h>

int reef_open_host(lua_State *L);
int reef_open_core(lua_State *L);
/* Is it a function of these modules that changes nothing outside the VM but what a copy of the VM has, too, and whose
 * outcome is the same in each? Any thread. */
bool reef_core_is_harmless(lua_CFunction f);

#endif
