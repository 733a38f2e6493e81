/* os.execute and os.exit of service VMs. */
#ifndef REEF_LUA_EXECUTE_H
#define REEF_LUA_EXECUTE_H

#include <lua.h>

int reef_lua_execute(lua_State *L);
int reef_lua_execute_exit(lua_State *L);

#endif
