/* What a server sends in a column, as Lua values. They push one value each, and may raise for want of memory. */
#ifndef REEF_MYSQL_COLUMN_H
#define REEF_MYSQL_COLUMN_H

#include <lua.h>
#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REEF_MYSQL_SHORT = 128 }; /* bytes of a text that is fetched with its row; longer ones come one by one */

/* Where libmariadb puts a column of a statement's row. */
struct reef_mysql_column {
	enum enum_field_types type; /* of the field, when it was bound */
	unsigned flags;
	unsigned long length;
	my_bool null;
	union {
		int64_t integer;
		float single;
		double real;
		MYSQL_TIME time;
		char text[REEF_MYSQL_SHORT];
	};
};

/* The places for a row of one statement, and a buffer that grows to the longest text that was fetched. All zero at first. */
struct reef_mysql_columns {
	MYSQL_BIND *binds;
	struct reef_mysql_column *columns;
	unsigned room, bound; /* bound: columns that the statement puts there already */
	char *bytes;
	size_t bytes_room;
};

/* A value of the text protocol; how many bytes of text it has. Numbers are what Lua's tonumber makes of them. With `exact`,
 * those that would lose digits are strings. `text` ends in a zero byte behind its `size` bytes. */
lua_Integer reef_mysql_push_text(lua_State *L, const MYSQL_FIELD *field, const char *text, size_t size, bool exact);

/* Tells the statement, whose result begins, where its `count` columns go, unless it knows. Raises for want of memory. */
void reef_mysql_columns_bind(lua_State *L, struct reef_mysql_columns *columns, MYSQL_STMT *stmt, unsigned count);
/* A value of the row that mysql_stmt_fetch has come to; nil if it is null. Else as _push_text. */
lua_Integer reef_mysql_push_column(lua_State *L, MYSQL_STMT *stmt, const MYSQL_FIELD *field, unsigned column,
								   struct reef_mysql_columns *columns, bool exact);
void reef_mysql_columns_fini(struct reef_mysql_columns *columns);

#endif
