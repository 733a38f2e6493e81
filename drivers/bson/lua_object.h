/* The methods of `bson` objects. The VM's thread only. */
#ifndef REEF_BSON_LUA_OBJECT_H
#define REEF_BSON_LUA_OBJECT_H

#include <lua.h>

/* Makes the metatable. */
void reef_bson_lua_object_register(lua_State *L);

#endif
