/* Commands as Lua methods, and the handles that they find in their first argument. Own slice only. */
#ifndef REEF_REDIS_COMMAND_H
#define REEF_REDIS_COMMAND_H

#include <stdint.h>

#include <lua.h>

#include "connection.h"

/* Says how to use a connection; a userdata, `db[1]`. Many may share one connection. */
struct reef_redis_handle {
	const void *tag;
	struct reef_redis_connection *connection;
	uint64_t timeout_ns;         /* 0: none */
	enum reef_redis_state state; /* that the connection must have at least */
	int kind;                    /* flags that every request of it has */
};

/* User values of a handle. */
enum {
	REEF_REDIS_HANDLE_CONNECTION = 1, /* keeps the connection alive */
	REEF_REDIS_HANDLE_BOUND,          /* table: task -> {handle of its own connection, serial of the task} */
	REEF_REDIS_HANDLE_CONNECT,        /* function(method, db, ...): connects and calls the method again */
	REEF_REDIS_HANDLE_VALUES = REEF_REDIS_HANDLE_CONNECT,
};

/* A new handle on the stack; its user values are not set. */
struct reef_redis_handle *reef_redis_handle_new(lua_State *L);
/* NULL if there is none at `index`. */
struct reef_redis_handle *reef_redis_handle_at(lua_State *L, int index);

/* Lua: command(name [, flags]) -> method(db, ...). `name` is sent as given. Flags: "b" integers come back as booleans,
 * "1", "2" at most that many arguments are sent. */
int reef_redis_new_command(lua_State *L);
/* Lua: pipeline(db, operations, results or nil) -> results, or the last reply. */
int reef_redis_pipeline(lua_State *L);
/* Lua: inspect(operations) -> blocks, watches, leaves, ends: is there a blocking command, a WATCH; is a transaction
 * open when all are done; is there an EXEC or DISCARD? Raises for what must not be in a pipeline. */
int reef_redis_inspect(lua_State *L);
/* Lua: send(db, name, ...): no reply is expected. */
int reef_redis_send(lua_State *L);

#endif
