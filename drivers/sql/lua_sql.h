/* The Lua module reef.sql.core. */
#ifndef REEF_SQL_LUA_SQL_H
#define REEF_SQL_LUA_SQL_H

#include <lua.h>

int reef_open_sql(lua_State *L);

#endif
