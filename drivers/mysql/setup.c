/* See setup.h. */
#include "setup.h"

#include <lauxlib.h>

#include "core/host/host.h"
#include "lua_mysql.h"

#ifndef REEF_MYSQL
int reef_open_mysql(lua_State *L) {
	return luaL_error(L, "built without MySQL: libmariadb (Debian: libmariadb-dev) was missing");
}
#endif

void reef_mysql_setup(void) {
	reef_host_preload("reef.mysql.core", reef_open_mysql);
}
