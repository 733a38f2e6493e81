/* os.execute of service VMs. */
#ifndef REEF_LUA_EXECUTE_H
#define REEF_LUA_EXECUTE_H

#include <lua.h>

int reef_lua_execute(lua_State *L);

#endif
