/* The Lua module `reef.postgres.core`: connections to a PostgreSQL server that say what they wait for. */
#ifndef REEF_POSTGRES_LUA_POSTGRES_H
#define REEF_POSTGRES_LUA_POSTGRES_H

#include <lua.h>

int reef_open_postgres(lua_State *L);

#endif
