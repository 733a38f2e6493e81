/* The names of results' columns as lists of Lua strings, kept from one result to the next: most statements of a connection have
 * columns that one before has had, too. Whoever has them frees them; own slice only. */
#ifndef REEF_SQL_NAMES_H
#define REEF_SQL_NAMES_H

#include <stddef.h>

#include <lua.h>

enum { REEF_SQL_SHAPES = 8 }; /* lists that are kept for each connection */

/* All zero at first. */
struct reef_sql_names {
	struct reef_sql_shape {
		char *bytes; /* each name's size and text, one after the other */
		size_t size;
		unsigned count;
	} shapes[REEF_SQL_SHAPES];
	unsigned last, next; /* that was found, that gives way */
};

/* The name of a column of that result, and how long it is. */
typedef const char *(*reef_sql_name_of)(const void *result, unsigned column, size_t *size);

/* Pushes a list of the names of a result's `count` columns, which nobody may change. The lists lie in user value `value` of the
 * userdata at `index`, nil at first. Raises for want of memory. */
void reef_sql_names_push(lua_State *L, struct reef_sql_names *names, int index, int value, unsigned count,
						 reef_sql_name_of name_of, const void *result);
void reef_sql_names_fini(struct reef_sql_names *names);

#endif
