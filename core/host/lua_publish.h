/* One message to many services, for Lua. */
#ifndef REEF_LUA_PUBLISH_H
#define REEF_LUA_PUBLISH_H

#include <lua.h>

int reef_lua_publish(lua_State *L);

#endif
