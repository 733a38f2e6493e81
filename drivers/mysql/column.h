/* What a server sends in a column, as Lua values. They push one value each, and may raise for want of memory. */
#ifndef REEF_MYSQL_COLUMN_H
#define REEF_MYSQL_COLUMN_H

#include <lua.h>
#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

/* A buffer that grows to the longest value that was fetched. Zero at first; whoever has it frees `bytes` (reef_free). */
struct reef_mysql_scratch {
	char *bytes;
	size_t room;
};

/* A value of the text protocol. Numbers are what Lua's tonumber makes of them. With `exact`, those that would lose digits
 * are strings. `text` ends in a zero byte behind its `size` bytes. */
void reef_mysql_push_text(lua_State *L, const MYSQL_FIELD *field, const char *text, size_t size, bool exact);
/* A value of the row that mysql_stmt_fetch has come to; nil if it is null. */
void reef_mysql_push_column(lua_State *L, MYSQL_STMT *stmt, const MYSQL_FIELD *field, unsigned int column,
							struct reef_mysql_scratch *scratch, bool exact);

#endif
