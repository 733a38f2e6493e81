/* Commands as Lua methods, and the handles that they find in their first argument. Own slice only. */
#ifndef REEF_REDIS_COMMAND_H
#define REEF_REDIS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "connection.h"

struct reef_redis_handle;

/* A command that is on its way. */
struct reef_redis_order {
	const struct reef_redis_handle *handle;
	struct reef_task *task;
	const char *command; /* for messages; outlives the request */
	size_t replies;
	int kind;
	int ref; /* table of results, or LUA_NOREF */
};

/* Something that commands go through instead of a connection: a pool in another service. */
struct reef_redis_remote {
	int bound;  /* coroutines that have a connection of their own now */
	bool ready; /* if not, the handle's Lua function has to see to it */
	/* Where a command is written. */
	struct reef_output *(*output)(void);
	/* Sends what was written there; no reply is expected. */
	void (*say)(struct reef_redis_remote *remote, const struct reef_redis_handle *handle);
	/* Takes and sends what was written there, a command whose first argument is at index 2 of L; returns what the task
	 * is to be suspended on. NULL: it was not sent, and the Lua function has to see to it. */
	struct reef_wait *(*send)(struct reef_redis_remote *remote, lua_State *L, const struct reef_redis_order *order);
};

/* Says how to use a connection; a userdata, `db[1]`. Many may share one connection. */
struct reef_redis_handle {
	const void *tag;
	struct reef_redis_connection *connection; /* either this */
	struct reef_redis_remote *remote;         /* or that */
	uint32_t pin;                             /* the remote's: a connection of one's own */
	uint64_t timeout_ns;                      /* 0: none */
	enum reef_channel_state state;            /* that the connection must have at least */
	int kind;                                 /* flags that every request of it has */
};

/* User values of a handle. */
enum {
	REEF_REDIS_HANDLE_CONNECTION = 1, /* keeps the connection alive */
	REEF_REDIS_HANDLE_BOUND,          /* table: task -> {handle of its own connection, serial of the task} */
	REEF_REDIS_HANDLE_CONNECT,        /* function(method, db, ...): connects and calls the method again */
	REEF_REDIS_HANDLE_VALUES = REEF_REDIS_HANDLE_CONNECT,
};

/* A new handle on the stack, from arguments of a Lua function: whose it is at 1, whether errors are objects at 4, the bound
 * ones at 5, what connects at 6. Where commands go and how long they may take is for the caller to set. */
struct reef_redis_handle *reef_redis_handle_new(lua_State *L);
/* NULL if there is none at `index`. */
struct reef_redis_handle *reef_redis_handle_at(lua_State *L, int index);

/* Lua: command(name [, flags]) -> method(db, ...). `name` is sent as given. Flags: "b" integers come back as booleans,
 * "1", "2" at most that many arguments are sent. */
int reef_redis_new_command(lua_State *L);
/* Lua: pipeline(db, operations, results or nil) -> results, or the last reply. */
int reef_redis_pipeline(lua_State *L);
/* Lua: inspect(operations) -> blocks, watches, leaves, ends, changes, multi: is there a blocking command; a WATCH, or a
 * transaction that the server might see otherwise than it looks; is something of that open when all are done; is there
 * an EXEC or DISCARD; a SELECT, AUTH, or the like; is MULTI open when all are done? Raises for what must not be in a
 * pipeline. */
int reef_redis_inspect(lua_State *L);
/* Lua: doubtful(operations) -> boolean: is there one that is not known to leave its connection as it was (apart from
 * blocking and transactions)? */
int reef_redis_doubtful(lua_State *L);
/* Lua: send(db, name, ...): no reply is expected. */
int reef_redis_send(lua_State *L);

#endif
