/* The room of what drivers of SQL servers share. */
#include "core/host/host.h"
#include "lua_sql.h"
#include "statement.h"

void reef_sql_setup(void);

void reef_sql_setup(void) {
	reef_host_preload("reef.sql.core", reef_open_sql);
	reef_host_add_harmless(reef_sql_statement);
}
