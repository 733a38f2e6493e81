/* A connection to a MySQL server as a state machine: an operation begins a call of libmariadb, and whatever follows from its
 * answer, until the whole result is made of Lua values. Whenever it has to wait it says for what, and goes on later.
 *
 * It is a userdata of the module reef.mysql.core, which owns all of it. Waiting is drivers/sql's. Own slice only, one operation
 * at a time. */
#ifndef REEF_MYSQL_CONNECTION_H
#define REEF_MYSQL_CONNECTION_H

#include <lua.h>
#include <stdbool.h>

#include "calls.h"
#include "column.h"
#include "drivers/sql/names.h"
#include "drivers/sql/operation.h"
#include "opening.h"
#include "parameters.h"

/* User values of the userdata. */
enum {
	REEF_MYSQL_OPTIONS = 1,
	REEF_MYSQL_STREAM_NAMES, /* the columns' names, while a stream waits for who reads on */
	REEF_MYSQL_STREAM_OF,    /* its statement */
	REEF_MYSQL_NAME_LISTS,   /* of `names` */
	REEF_MYSQL_VALUES = REEF_MYSQL_NAME_LISTS,
};

/* What an operation keeps on its stack, behind its arguments. */
enum {
	REEF_MYSQL_RESULTS = 1, /* the result, or the list of several */
	REEF_MYSQL_ROWS,        /* the rows of the one that is being read */
	REEF_MYSQL_NAMES,       /* of its columns, if they are needed */
	REEF_MYSQL_KEPT = REEF_MYSQL_NAMES,
};

/* A prepared statement: a userdata, whose first user value is that of its connection. */
struct reef_mysql_statement {
	const void *mark; /* first: says that it is one */
	MYSQL_STMT *stmt; /* NULL: it is closed */
	struct reef_mysql_connection *connection;
	struct reef_mysql_parameters parameters;
	struct reef_mysql_columns columns; /* of its results */
};

enum reef_mysql_reading {
	REEF_MYSQL_ALL,    /* every row becomes part of the result */
	REEF_MYSQL_STREAM, /* the operation ends before the first row */
	REEF_MYSQL_DROP,   /* rows are read and forgotten */
};

struct reef_mysql_connection {
	struct reef_sql_connection sql; /* first */
	struct reef_mysql_calls calls;  /* calls.mysql is NULL: it is closed */
	struct reef_mysql_login login;
	struct reef_mysql_opening *opening; /* it is being made */
	MYSQL_STMT **dead;                  /* collected statements that the server has to be told of */
	unsigned dead_count, dead_room;

	enum reef_mysql_call first;             /* of this operation */
	enum reef_mysql_call later;             /* goes on with this call, since others shall have their turn */
	struct reef_mysql_statement *statement; /* of this operation; NULL: the text protocol */
	MYSQL_STMT *stmt;                       /* its own, or NULL */
	const MYSQL_FIELD *fields;              /* of the result that is being read */
	unsigned columns, burst;
	int state; /* what it has come to, when nothing follows */
	lua_Integer rows, most_rows, bytes, most_bytes, results;
	enum reef_mysql_reading reading;
	bool exact, streaming;
	struct reef_sql_names names;
};

extern const struct reef_sql_driver reef_mysql_driver;

/* Begin an operation, and return as reef_sql_driver.go does. Arguments have been looked at. */
int reef_mysql_connect(lua_State *L, struct reef_mysql_connection *c);
int reef_mysql_begin(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call first,
					 struct reef_mysql_statement *statement);
/* Goes on with reading a stream. */
int reef_mysql_begin_part(lua_State *L, struct reef_mysql_connection *c);
/* Ends it without waiting. */
void reef_mysql_close(struct reef_mysql_connection *c);
/* The statement is not needed any more. */
void reef_mysql_bury(struct reef_mysql_connection *c, MYSQL_STMT *stmt);

#endif
