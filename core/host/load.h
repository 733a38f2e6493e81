/* Where a service's code comes from: our own Lua files first, then what the configuration names. */
#ifndef REEF_LOAD_H
#define REEF_LOAD_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Puts searchers, loadfile, dofile and require of services in the place of the stock ones. */
void reef_load_open(lua_State *L);
/* Bytes of the service's name, with which its arguments begin. */
size_t reef_load_name_size(const char *arguments);
/* Is the service of these arguments, which begin with its name, one of ours? */
bool reef_load_is_own_service(const char *arguments);
/* Is the loader of services ours, and not one that the configuration names? */
bool reef_load_has_own_loader(void);
/* Runs the loader of services and pushes the service's main function, nil if a loader of others has run it; and the
 * files that it was looked for in before, as a string in which zero bytes separate them. Raises what the loader raises.
 * Returns 2. */
int reef_load_main(lua_State *L, const char *arguments);
/* Calls the main function on top of the stack with the words behind the service's name. Returns 0. */
int reef_load_run_main(lua_State *L, const char *arguments);

#endif
