/* Operations on connections to SQL servers: what a coroutine does in its turn. The driver's part begins one and goes on
 * whenever what it waits for is there; this waits, knows the deadline, and ends the connection with a coroutine that is gone.
 *
 * A connection is a userdata of its driver, which begins with this struct. Own slice only, one operation at a time. */
#ifndef REEF_SQL_OPERATION_H
#define REEF_SQL_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "core/host/task.h"
#include "socket/fd/fd_wait.h"

/* The stack of an operation that turn:run begins: the turn, a word for errors, the deadline, the connection, the operation's
 * arguments. Of statements these are the statement, whether rows are lists, whether they are a stream, and values; where they lie for
 * one that is begun in another way, the connection says (statement.h). Behind that is what the driver keeps. All of it stays there
 * while the operation waits. */
enum { REEF_SQL_AT_TURN = 1, REEF_SQL_AT_COMMAND, REEF_SQL_AT_DEADLINE, REEF_SQL_AT_CONNECTION, REEF_SQL_AT_ARGUMENTS };

/* What a part of an operation has come to; more than 0: the REEF_FD_ bits of what it waits for, or: */
enum {
	REEF_SQL_MORE = 4,  /* waits for more than there was to be read: see reef_fd_wait_more */
	REEF_SQL_OVER = 0,  /* its results lie on the top of the stack, `pushed` of them; also what the server refuses */
	REEF_SQL_LOST = -1, /* the connection is to be closed; a text that says why and a number, or nil, lie there */
};

struct reef_sql_connection;
struct reef_sql_turn;

struct reef_sql_driver {
	const char *name;
	/* Goes on; `ready`: REEF_FD_ bits; 0: too late, so it ends as soon as it can, and what the server says by itself is not
	 * waited for any more. */
	int (*go)(lua_State *L, struct reef_sql_connection *c, int ready);
	int (*fd)(struct reef_sql_connection *c);
	/* Is there a server at the other end, as far as one can see without asking? */
	bool (*alive)(struct reef_sql_connection *c);
	/* Without waiting; closed ones, too. Calls reef_sql_closed. */
	void (*close)(struct reef_sql_connection *c);
};

/* What an operation is for. */
enum reef_sql_takes {
	REEF_SQL_OTHER,
	REEF_SQL_TEXT,       /* a statement as a text, with values */
	REEF_SQL_TEXT_ALONE, /* one without values */
	REEF_SQL_PREPARED,   /* a prepared statement, with values */
};

/* A kind of operation. */
struct reef_sql_operation {
	const char *name; /* that Lua calls it by; NULL: the end of a list */
	/* Raises for arguments that cannot be, before `busy` is set; pushes and returns as `go`. */
	int (*begin)(lua_State *L, struct reef_sql_connection *c);
	enum reef_sql_takes takes;
	const struct reef_sql_driver *driver; /* of whose connections it is */
};

struct reef_sql_connection {
	const struct reef_sql_driver *driver;
	const struct reef_sql_operation *operation; /* the last one */
	struct reef_sql_turn *owner;                /* in whose turn it was begun; good while it goes on */
	struct reef_fd_waiter waiter;
	struct reef_wait wait;
	struct reef_task *task; /* waits; NULL: nobody does */
	const char *failed;     /* why it could not wait any longer */
	char words[64];         /* that `failed` may lie in */
	/* What the operation refuses, which is on the top, is told to Lua in this way: as a C function's end. NULL: it is its result. */
	int (*refusal)(lua_State *L, struct reef_sql_connection *c);
	uint64_t since_ns, deadline_ns;
	/* Stack indices of the operation: the turn, the word for errors (0: the operation's name), the connection, the statement
	 * or the like, the first of its values, the last of them; and that behind which is what the driver keeps. */
	int turn, command, self, statement, values, last, base;
	int pushed, ready;
	bool lists;           /* what a statement that turn:run has not begun says of its rows */
	bool compact, stream; /* how rows are wanted, by the last that was begun */
	bool open;            /* until reef_sql_closed */
	bool busy;            /* an operation goes on; one that has been left so has made the connection useless */
	bool doomed;          /* it is to be closed when the part of the operation that runs is over */
	bool refused;         /* the result is the server's no */
	bool connecting;      /* what is lost is told and not raised */
};

/* A new one's beginning, on the top of the stack. */
void reef_sql_connection_init(lua_State *L, struct reef_sql_connection *c, const struct reef_sql_driver *driver);
/* The metatable on the top is one of connections. */
void reef_sql_mark_class(lua_State *L);
/* The connection at that index; raises for anything else. */
struct reef_sql_connection *reef_sql_connection_check(lua_State *L, int index);
/* For `close` in Lua. True: a part of an operation runs, whose values the collector made room for, and a finalizer has called; the
 * connection is closed when that part is over. */
bool reef_sql_close_later(struct reef_sql_connection *c);
/* Nobody waits for its descriptor any more, which the driver is about to close. Whoever did goes on. */
void reef_sql_closed(struct reef_sql_connection *c);

/* Can its connection be used without a look whether the server has ended it? */
bool reef_sql_is_fresh(const struct reef_sql_turn *turn, uint64_t now_ns);

/* For `begin` of statements: finds out how rows are wanted. How many values there are. */
int reef_sql_look_at_arguments(lua_State *L, struct reef_sql_connection *c);
/* Begins an operation, whose stack indices but `base`, the top, are set; ends a C function. */
int reef_sql_begin(lua_State *L, struct reef_sql_connection *c, const struct reef_sql_operation *operation,
				   uint64_t now_ns, uint64_t deadline_ns);
/* Calls a method of the turn's session, with a word for errors, which lies at `command` or else (0) is the operation's name, and the
 * `n` values on the top. */
void reef_sql_tell(lua_State *L, int turn, int command, const struct reef_sql_operation *operation, const char *method,
				   int n);
/* The operation at that index; raises for anything else. */
const struct reef_sql_operation *reef_sql_operation_check(lua_State *L, int index);
/* Raises for an operation of another driver's connections. */
void reef_sql_operation_suits(lua_State *L, const struct reef_sql_operation *operation,
							  const struct reef_sql_connection *c);

/* The result at stack index `value` is one more of an operation that has had `*count`: the first stands for itself at `index`, a
 * second one makes a list of it. */
void reef_sql_add_result(lua_State *L, int value, int index, lua_Integer *count);

/* Pushes a table with operations by name, which live as long as the process. */
void reef_sql_push_operations(lua_State *L, const struct reef_sql_operation *operations);

/* For Lua, methods of a connection: can it be used, as far as one can see? Does no operation go on? */
int reef_sql_alive(lua_State *L);
int reef_sql_idle(lua_State *L);

/* For Lua, methods of a turn. */

/* turn:connect(word, deadline, connection, operation): true; or nil, "timeout" or another reason not to wait, why, number */
int reef_sql_connect(lua_State *L);
/* turn:run(word, deadline, operation, ...): its results, within the turn. Raises what session:lost says. */
int reef_sql_run(lua_State *L);

#endif
