/* See setup.h. */
#include "setup.h"

#include <lauxlib.h>

#include "core/host/host.h"
#include "lua_postgres.h"

#ifndef REEF_POSTGRES
int reef_open_postgres(lua_State *L) {
	return luaL_error(L, "built without PostgreSQL: libpq (Debian: libpq-dev) was missing");
}
#endif

void reef_postgres_setup(void) {
	reef_host_preload("reef.postgres.core", reef_open_postgres);
}
