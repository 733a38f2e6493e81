/* Where a service's code comes from: our own Lua files first, then what the configuration names. */
#ifndef REEF_LOAD_PRIVATE_H
#define REEF_LOAD_PRIVATE_H

#include <lua.h>

/* Puts searchers, loadfile, dofile and require of services in the place of the stock ones. */
void reef_load_open(lua_State *L);
/* Pushes the loader of services (configuration key `lualoader`, or ours), or an error text. A Lua status. */
int reef_load_loader(lua_State *L);
/* As luaL_loadfilex for every file that a service loads. */
int reef_load_file(lua_State *L, const char *name, const char *mode);
void reef_load_set_hook(int (*load_file)(lua_State *L, const char *name, const char *mode));

#endif
