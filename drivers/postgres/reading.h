/* What libpq has read, as Lua values on the stack of the operation, and what the operation has come to by it: numbers are
 * returned as reef_sql_driver.go returns them. Own slice only; belongs to connection.c. */
#ifndef REEF_POSTGRES_READING_H
#define REEF_POSTGRES_READING_H

#include "connection.h"

/* The connection is of no use any more, and why. */
int reef_postgres_lost(lua_State *L, const char *why);
/* The operation is over, with the `n` values on the top. */
int reef_postgres_done(struct reef_postgres_connection *c, int n);
/* All of it has come. */
int reef_postgres_finish(lua_State *L, struct reef_postgres_connection *c);
/* Is a part of a stream full? Then it is handed out; `more`: others follow. */
bool reef_postgres_is_full(const struct reef_postgres_connection *c);
int reef_postgres_part(lua_State *L, struct reef_postgres_connection *c, bool more);
/* Reads `result`, which is complete. True: it was read and is cleared; else `state` is what the operation has come to. */
bool reef_postgres_take(lua_State *L, struct reef_postgres_connection *c, int *state);
void reef_postgres_clear(struct reef_postgres_connection *c);

#endif
