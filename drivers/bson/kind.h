/* What values say about themselves: `type` and `kind`. The VM's thread only. */
#ifndef REEF_BSON_KIND_H
#define REEF_BSON_KIND_H

#include <lua.h>

/* Adds them to the module on top of the stack. */
void reef_bson_kind_register(lua_State *L);

#endif
