/* Functions of the standard libraries that take paths and names, which must have no zero byte. */
#ifndef REEF_LUA_PATHS_H
#define REEF_LUA_PATHS_H

#include <lua.h>

/* Once in each VM, when its libraries are open. */
void reef_lua_paths_open(lua_State *L);

#endif
