/* Constructors of values that Lua has no type for (tag.h). The VM's thread only. */
#ifndef REEF_BSON_VALUE_H
#define REEF_BSON_VALUE_H

#include <lua.h>

/* Adds them to the module on top of the stack. */
void reef_bson_value_register(lua_State *L);

#endif
