/* The libraries of a service's VM: the standard ones, with what the host puts in the place of some functions. */
#ifndef REEF_LIBRARIES_H
#define REEF_LIBRARIES_H

#include <lua.h>

/* Opens them in a fresh VM, which needs no host yet; everything is the same in all VMs, so a copy of the tables serves
 * as well. May raise. */
void reef_libraries_open(lua_State *L);

#endif
