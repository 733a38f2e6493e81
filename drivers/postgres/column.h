/* Values of PostgreSQL's text format as Lua values, and Lua values as parameters. */
#ifndef REEF_POSTGRES_COLUMN_H
#define REEF_POSTGRES_COLUMN_H

#include <libpq-fe.h>
#include <lua.h>
#include <stddef.h>

/* Pushes a value of this type, of `size` bytes with a zero behind them. Integers, floats, booleans and bytea have types of
 * Lua; of others the text is pushed. May raise for want of memory. */
void reef_postgres_push(lua_State *L, Oid type, const char *text, size_t size);

/* Parameters of one statement: what libpq takes. They point into Lua values, which somebody has to hold. */
struct reef_postgres_parameters {
	const char **values;
	int *sizes, *formats;
	int count;
};

/* Makes them from `count` values from stack index `first` on, as userdata that is pushed; numbers and booleans are replaced on
 * the stack by their texts. Raises for what cannot be one. */
void reef_postgres_parameters(lua_State *L, struct reef_postgres_parameters *p, int first, int count);

#endif
