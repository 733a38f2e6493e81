/* The room of what drivers of SQL servers share. */
#include "core/host/host.h"
#include "lua_sql.h"

void reef_sql_setup(void);

void reef_sql_setup(void) {
	reef_host_preload("reef.sql.core", reef_open_sql);
}
