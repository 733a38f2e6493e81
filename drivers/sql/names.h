/* The names of results' columns as lists of Lua strings, and rows with these names, kept from one result to the next: most statements
 * of a connection have columns that one before has had, too. Rows are made after a model (sharetable/overlay/model.h). Whoever has the
 * names frees them; own slice only. */
#ifndef REEF_SQL_NAMES_H
#define REEF_SQL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

enum { REEF_SQL_SHAPES = 8 }; /* lists that are kept for each connection */

/* All zero at first. */
struct reef_sql_names {
	struct reef_sql_shape {
		char *bytes; /* each name's size and text, one after the other */
		int *places; /* of the columns in rows; with room for as many */
		const void *model;
		unsigned count, places_room;
	} shapes[REEF_SQL_SHAPES];
	unsigned last, next; /* that was found, that gives way */
};

/* The name of a column of that result, and how long it is. */
typedef const char *(*reef_sql_name_of)(const void *result, unsigned column, size_t *size);

/* Looks at the names of a result's `count` columns, of which rows are to be made. What is kept of them lies in user value `value` of
 * the userdata at `index`, nil at first. Raises for want of memory. False: for rows, the list of names is needed. */
bool reef_sql_names_look(lua_State *L, struct reef_sql_names *names, int index, int value, unsigned count,
						 reef_sql_name_of name_of, const void *result);
/* Pushes the list of the names that were looked at last, which nobody may change. */
void reef_sql_names_push(lua_State *L, const struct reef_sql_names *names, int index, int value);
/* Pushes a row with the names that were looked at last: a table for which each column is to be given its value, in order. What the
 * other calls want of it; the list of names, where it is needed, lies at stack index `list`. */
const void *reef_sql_row_push(lua_State *L, const struct reef_sql_names *names);
/* Pops a value, which may be nil, into the row on the top. */
void reef_sql_row_put(lua_State *L, const struct reef_sql_names *names, const void *row, int list, unsigned column);
/* There is no value, unless one before has the same name. */
void reef_sql_row_skip(const struct reef_sql_names *names, const void *row, unsigned column);
void reef_sql_names_fini(struct reef_sql_names *names);

#endif
