/* A connection to a PostgreSQL server as a state machine around libpq's non-blocking calls: an operation sends a statement and
 * makes Lua values of what comes. Whenever it has to wait it says for what, and goes on later.
 *
 * It is a userdata of the module reef.postgres.core, which owns all of it. Waiting is drivers/sql's. Own slice only, one
 * operation at a time. */
#ifndef REEF_POSTGRES_CONNECTION_H
#define REEF_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <lua.h>
#include <stdbool.h>

#include "column.h"
#include "drivers/sql/names.h"
#include "drivers/sql/operation.h"

/* User values of the userdata. */
enum {
	REEF_POSTGRES_STREAM_NAMES = 1, /* the columns' names, while a stream waits for who reads on */
	REEF_POSTGRES_NAME_LISTS,       /* of `names` */
	REEF_POSTGRES_VALUES = REEF_POSTGRES_NAME_LISTS,
};

/* What an operation keeps on its stack, behind its arguments. */
enum {
	REEF_POSTGRES_RESULTS = 1, /* the result, or the list of several */
	REEF_POSTGRES_ROWS,        /* the rows of the one that is being read */
	REEF_POSTGRES_NAMES,       /* of its columns, if they are needed */
	REEF_POSTGRES_FAILURE,     /* what the server refuses, in the end */
	REEF_POSTGRES_KEPT = REEF_POSTGRES_FAILURE,
};

enum reef_postgres_phase {
	REEF_POSTGRES_IDLE,
	REEF_POSTGRES_CONNECTING,
	REEF_POSTGRES_SENDING,
	REEF_POSTGRES_READING,
	REEF_POSTGRES_PAUSING,   /* a part of a stream has been handed out */
	REEF_POSTGRES_LISTENING, /* for notifications */
};

struct reef_postgres_connection {
	struct reef_sql_connection sql; /* first */
	PGconn *pg;                     /* NULL: it is closed */
	enum reef_postgres_phase phase;
	PGresult *result; /* that is being read */
	int row, columns, burst;
	lua_Integer rows, most_rows, bytes, most_bytes, results;
	struct reef_sql_names names;
	struct reef_postgres_parameters parameters;
	bool drop, failed, described;
	bool untouched; /* nothing was read since its statement was sent */
};

extern const struct reef_sql_driver reef_postgres_driver;

/* Begins to connect. Returns as reef_sql_driver.go does. */
int reef_postgres_connect(lua_State *L, struct reef_postgres_connection *c);
/* Begins once something was given to libpq to be sent, or not (`sent`), which loses the connection. Returns the same. */
int reef_postgres_begin(lua_State *L, struct reef_postgres_connection *c, bool sent);
/* Goes on with reading a stream. */
int reef_postgres_begin_part(lua_State *L, struct reef_postgres_connection *c);
/* Waits for a notification; nil when it is too late. */
int reef_postgres_listen(lua_State *L, struct reef_postgres_connection *c);
void reef_postgres_close(struct reef_postgres_connection *c);

#endif
