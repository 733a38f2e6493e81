/* A connection to a PostgreSQL server as a state machine around libpq's non-blocking calls: an operation sends a statement and
 * makes Lua values of what comes. Whenever it has to wait it says for what, and goes on later.
 *
 * It is a userdata of the module reef.postgres.core, which owns all of it. Own slice only, one operation at a time. */
#ifndef REEF_POSTGRES_CONNECTION_H
#define REEF_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <lua.h>
#include <stdbool.h>

/* User values of the userdata. */
enum {
	REEF_POSTGRES_RESULTS = 1, /* of the statements so far */
	REEF_POSTGRES_ROWS,        /* of the one that is being read */
	REEF_POSTGRES_NAMES,       /* of its columns */
	REEF_POSTGRES_FAILURE,     /* what the server refuses, in the end */
	REEF_POSTGRES_VALUES = REEF_POSTGRES_FAILURE,
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
	PGconn *pg; /* NULL: it is closed */
	enum reef_postgres_phase phase;
	PGresult *result; /* that is being read */
	int row, burst;
	lua_Integer rows, most_rows, bytes, most_bytes, results;
	bool compact, stream, drop, failed, described;
};

/* Goes on, or begins once something was given to libpq to be sent. The connection is at stack index 1. Pushes what it returns
 * the number of: what to wait for ("r", "w", "rw"); or nil and the result; or nil, nil and why the connection is lost. */
int reef_postgres_begin(lua_State *L, struct reef_postgres_connection *c, enum reef_postgres_phase phase);
/* `ready`: "r", "w", "rw"; NULL: too late, which ends it. */
int reef_postgres_go(lua_State *L, struct reef_postgres_connection *c, const char *ready);
void reef_postgres_close(struct reef_postgres_connection *c);

#endif
