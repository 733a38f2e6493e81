/* The Lua module `reef.mysql.core`: connections to a MySQL server that say what they wait for. */
#ifndef REEF_MYSQL_LUA_MYSQL_H
#define REEF_MYSQL_LUA_MYSQL_H

#include <lua.h>

int reef_open_mysql(lua_State *L);

#endif
