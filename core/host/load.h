/* Where a service's code comes from: our own Lua files first, then what the configuration names. */
#ifndef REEF_LOAD_H
#define REEF_LOAD_H

#include <lua.h>
#include <stdbool.h>

/* Puts searchers, loadfile, dofile and require of services in the place of the stock ones. */
void reef_load_open(lua_State *L);
/* Is the service of these arguments, which begin with its name, one of ours? */
bool reef_load_is_own_service(const char *arguments);
/* Runs the loader of services with a service's name and arguments. Raises what the loader raises. Returns 0. */
int reef_load_run_loader(lua_State *L, const char *arguments, bool is_own);

#endif
