/* Values of PostgreSQL's text format as Lua values, and Lua values as parameters. */
#ifndef REEF_POSTGRES_COLUMN_H
#define REEF_POSTGRES_COLUMN_H

#include <libpq-fe.h>
#include <lua.h>
#include <stddef.h>

/* Pushes a value of this type, of `size` bytes with a zero behind them. Integers, floats, booleans and bytea have types of
 * Lua; of others the text is pushed. May raise for want of memory. */
void reef_postgres_push(lua_State *L, Oid type, const char *text, size_t size);

enum { REEF_POSTGRES_NUMBER = 32 }; /* bytes for the text of a number */

/* Parameters of one statement after the other: what libpq takes, which has copied them when it returns. All zero at first; whoever
 * has them frees them. */
struct reef_postgres_parameters {
	void *memory; /* of what follows */
	const char **values;
	int *sizes, *formats;
	char (*numbers)[REEF_POSTGRES_NUMBER];
	int room;
};

/* Makes them from `count` values from stack index `first` on, which hold the texts. Raises for what cannot be one, and for want of
 * memory. */
void reef_postgres_parameters_set(lua_State *L, struct reef_postgres_parameters *p, int first, int count);
void reef_postgres_parameters_fini(struct reef_postgres_parameters *p);

#endif
