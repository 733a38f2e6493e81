/* Whose turn it is on a connection: one coroutine at a time, the others wait in the order in which they came.
 *
 * A userdata of the Lua module reef.sql.core, one for each session, which lives longer than the connections that it has one
 * after the other. Own slice only. */
#ifndef REEF_SQL_TURN_H
#define REEF_SQL_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_host;
struct reef_sql_connection;
struct reef_sql_waiter;

#define REEF_SQL_TURN "reef.sql.turn"

/* User values of the userdata. */
enum {
	REEF_SQL_CORE = 1, /* the connection that there is */
	REEF_SQL_SESSION,  /* its session in Lua */
	REEF_SQL_HOLDER,   /* a coroutine that keeps the turn beyond a call */
	REEF_SQL_VALUES = REEF_SQL_HOLDER,
};

struct reef_sql_turn {
	const void *mark; /* first: says that it is one */
	struct reef_host *host;
	struct reef_sql_connection *core; /* NULL: none */
	const lua_State *holder;          /* NULL: nobody */
	unsigned depth;                   /* how many times the holder has entered */
	unsigned waiting;
	struct reef_sql_waiter *first, **last, *spare;
	uint64_t used_ns;  /* when the connection has answered last */
	uint64_t timer_ns; /* when the timer is due */
	size_t bytes;      /* of the statements that wait */
	lua_Integer generation;
	int32_t timer;
	int told; /* registry index of the function that hears of too many bytes; LUA_NOREF: none */
	bool overloaded;
};

/* Pushes a new one; told: stack index of the function that hears whether too much waits, or 0. */
struct reef_sql_turn *reef_sql_turn_new(lua_State *L, int told);
/* The one at that index; raises for anything else. */
struct reef_sql_turn *reef_sql_turn_check(lua_State *L, int index);
/* True: it is L's turn now, until it has been left as often as it was taken. */
bool reef_sql_turn_take(struct reef_sql_turn *turn, const lua_State *L);
/* Ends a C function that has to wait for the turn, which lies at stack index `index` and is to be closed there: so one that comes
 * to somebody who is gone is passed on. `k` goes on with that index as its context, and asks reef_sql_turn_came. `size`: bytes that
 * are kept meanwhile. */
int reef_sql_turn_wait(lua_State *L, int index, size_t size, uint64_t deadline_ns, lua_KFunction k);
/* In that continuation: is it L's turn? Or it is too late, and when the wait began, in seconds, lies on the top. */
bool reef_sql_turn_came(const struct reef_sql_turn *turn, const lua_State *L);
/* Of the metatable: __close and __gc. */
int reef_sql_turn_close(lua_State *L);
int reef_sql_turn_gc(lua_State *L);

#endif
