/* See operation.h. What may raise is called while no memory is held but Lua's: a turn is left by a variable that is closed, and a
 * connection that an operation has left `busy` is of no use any more. */
#include "operation.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "core/clock.h"
#include "core/host/host.h"
#include "turn.h"

#define FRESH_NS 5000000u /* after an answer within which a connection is taken for alive */
#define NS 1e9
#define CLASS_MARK "reef.sql.connection"

/* ---- waiting for the server ---- */

static void operation_done(struct reef_fd_waiter *waiter, int result) {
	struct reef_sql_connection *c =
			(struct reef_sql_connection *)(void *)((char *)waiter - offsetof(struct reef_sql_connection, waiter));
	struct reef_task *task = c->task;
	c->task = NULL;
	c->ready = result;
	reef_task_resume(task, 0);
}

/* Whoever was waiting is gone: nobody knows what the server will say next. */
static void operation_cancel(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	struct reef_sql_connection *c =
			(struct reef_sql_connection *)(void *)((char *)wait - offsetof(struct reef_sql_connection, wait));
	c->task = NULL;
	c->driver->close(c);
}

void reef_sql_connection_init(lua_State *L, struct reef_sql_connection *c, const struct reef_sql_driver *driver) {
	c->driver = driver;
	c->waiter.done = operation_done;
	c->waiter.host = reef_host_of(L);
	c->wait = (struct reef_wait){.cancel = operation_cancel, .of = driver->name, .what = "query"};
	c->open = true;
}

bool reef_sql_close_later(struct reef_sql_connection *c) {
	c->doomed = c->open && c->busy && c->task == NULL;
	return c->doomed;
}

void reef_sql_closed(struct reef_sql_connection *c) {
	c->open = c->busy = c->doomed = false;
	reef_fd_wait_end(&c->waiter);
	if (c->task) {
		struct reef_task *task = c->task;
		c->task = NULL;
		c->ready = -ECANCELED;
		reef_task_wake(task, 0);
	}
}

/* ---- its end ---- */

void reef_sql_tell(lua_State *L, int turn, int command, const struct reef_sql_operation *operation, const char *method,
				   int n) {
	lua_getiuservalue(L, turn, REEF_SQL_SESSION);
	lua_getfield(L, -1, method);
	lua_insert(L, -2 - n);
	lua_insert(L, -1 - n);
	if (command)
		lua_pushvalue(L, command);
	else
		lua_pushstring(L, operation->name);
	lua_insert(L, -1 - n);
	lua_call(L, n + 2, 0);
}

static int operation_lost(lua_State *L, struct reef_sql_connection *c) {
	c->driver->close(c);
	if (c->connecting) {
		lua_pushnil(L);
		lua_pushstring(L, c->failed);
		lua_rotate(L, -4, 2);
		return 4;
	}
	lua_pushnumber(L, (lua_Number)(lua_Integer)c->since_ns / NS);
	lua_pushstring(L, c->failed);
	lua_rotate(L, -4, 2);
	reef_sql_tell(L, c->turn, c->command, c->operation, "lost", 4);
	return luaL_error(L, "sql: session:lost has come back");
}

static int operation_over(lua_State *L, struct reef_sql_connection *c, int state) {
	if (state == REEF_SQL_LOST)
		return operation_lost(L, c);
	c->busy = c->connecting = false;
	c->owner->used_ns = reef_now_ns();
	if (!c->refused)
		return c->pushed;
	c->refused = false;
	lua_pushvalue(L, -c->pushed);
	reef_sql_tell(L, c->turn, c->command, c->operation, "refused", 1);
	return c->refusal ? c->refusal(L, c) : c->pushed;
}

/* What a part has come to, unless the connection was closed within it. */
static int operation_part(lua_State *L, struct reef_sql_connection *c, int state) {
	if (!c->doomed)
		return state;
	c->failed = NULL;
	lua_pushliteral(L, "it was disconnected");
	lua_pushnil(L);
	return REEF_SQL_LOST;
}

static int operation_goes_on(lua_State *L, struct reef_sql_connection *c, int state);

static int operation_resumed(lua_State *L, int status, lua_KContext context) {
	(void)status;
	struct reef_sql_connection *c = (struct reef_sql_connection *)context; /* which the stack keeps */
	int ready = c->ready;
	if (!c->open) {
		c->failed = NULL;
		lua_pushliteral(L, "it was disconnected");
		lua_pushnil(L);
		return operation_over(L, c, REEF_SQL_LOST);
	}
	if (ready < 0) {
		snprintf(c->words, sizeof c->words, "%s", ready == -ECANCELED ? "closed" : strerrordesc_np(-ready));
		c->failed = c->words;
	} else if (ready == 0) {
		c->failed = "timeout";
	}
	return operation_goes_on(L, c, operation_part(L, c, c->driver->go(L, c, ready > 0 ? ready : 0)));
}

static int operation_goes_on(lua_State *L, struct reef_sql_connection *c, int state) {
	while (state > 0) {
		struct reef_task *task = reef_task_running(L);
		int fd = c->driver->fd(c);
		int error = state == REEF_SQL_MORE ? reef_fd_wait_more(&c->waiter, fd, c->deadline_ns)
										   : reef_fd_wait(&c->waiter, fd, state, c->deadline_ns);
		if (error == 0) {
			c->task = task;
			return reef_task_suspend_with(L, &c->wait, operation_resumed, (lua_KContext)c);
		}
		snprintf(c->words, sizeof c->words, "%s", strerrordesc_np(error));
		c->failed = c->words;
		state = operation_part(L, c, c->driver->go(L, c, 0));
	}
	return operation_over(L, c, state);
}

int reef_sql_begin(lua_State *L, struct reef_sql_connection *c, const struct reef_sql_operation *operation,
				   uint64_t now_ns, uint64_t deadline_ns) {
	c->operation = operation;
	c->base = lua_gettop(L);
	c->failed = NULL;
	c->refused = false;
	c->since_ns = now_ns;
	c->deadline_ns = deadline_ns;
	luaL_checkstack(L, 24, NULL);
	return operation_goes_on(L, c, operation_part(L, c, operation->begin(L, c)));
}

bool reef_sql_is_fresh(const struct reef_sql_turn *turn, uint64_t now_ns) {
	const struct reef_sql_connection *c = turn->core;
	return c && c->open && !c->busy && now_ns - turn->used_ns < FRESH_NS;
}

/* ---- for Lua ---- */

static const char operation_mark;

/* An operation as a value of Lua. */
struct operation_value {
	const void *mark; /* first: says that it is one */
	const struct reef_sql_operation *operation;
};

const struct reef_sql_operation *reef_sql_operation_check(lua_State *L, int index) {
	const struct operation_value *value = lua_touserdata(L, index);
	if (value == NULL || lua_rawlen(L, index) != sizeof *value || value->mark != &operation_mark)
		luaL_typeerror(L, index, "operation");
	return value->operation;
}

void reef_sql_operation_suits(lua_State *L, const struct reef_sql_operation *operation,
							  const struct reef_sql_connection *c) {
	if (operation->driver != c->driver)
		luaL_error(L, "sql: the operation %s of %s on a connection of %s", operation->name, operation->driver->name,
				   c->driver->name);
}

/* Of seconds on the scale of reef_now_ns. */
static uint64_t operation_deadline(lua_Number seconds) {
	return seconds < 1e9 ? (uint64_t)(seconds > 0 ? seconds * NS : 0) : UINT64_MAX;
}

void reef_sql_add_result(lua_State *L, int value, int index, lua_Integer *count) {
	if (++*count == 1) {
		lua_copy(L, value, index);
		return;
	}
	if (*count == 2) {
		lua_createtable(L, 4, 1);
		lua_pushvalue(L, index);
		lua_rawseti(L, -2, 1);
		lua_replace(L, index);
	}
	lua_pushvalue(L, value);
	lua_rawseti(L, index, *count);
}

void reef_sql_push_operations(lua_State *L, const struct reef_sql_operation *operations) {
	lua_newtable(L);
	for (; operations->name; operations++) {
		struct operation_value *value = lua_newuserdatauv(L, sizeof *value, 0);
		*value = (struct operation_value){.mark = &operation_mark, .operation = operations};
		lua_setfield(L, -2, operations->name);
	}
}

void reef_sql_mark_class(lua_State *L) {
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, CLASS_MARK);
}

struct reef_sql_connection *reef_sql_connection_check(lua_State *L, int index) {
	luaL_checktype(L, index, LUA_TUSERDATA);
	luaL_argcheck(L, luaL_getmetafield(L, index, CLASS_MARK) != LUA_TNIL, index, "a connection expected");
	lua_pop(L, 1);
	return lua_touserdata(L, index);
}

int reef_sql_alive(lua_State *L) {
	struct reef_sql_connection *c = reef_sql_connection_check(L, 1);
	lua_pushboolean(L, c->open && !c->busy && c->driver->alive(c));
	return 1;
}

int reef_sql_idle(lua_State *L) {
	lua_pushboolean(L, !reef_sql_connection_check(L, 1)->busy);
	return 1;
}

/* Where turn:run and turn:connect have what an operation needs. */
static void operation_place(lua_State *L, struct reef_sql_connection *c) {
	c->owner = lua_touserdata(L, REEF_SQL_AT_TURN);
	c->turn = REEF_SQL_AT_TURN;
	c->command = REEF_SQL_AT_COMMAND;
	c->self = REEF_SQL_AT_CONNECTION;
	c->statement = REEF_SQL_AT_ARGUMENTS;
	c->values = REEF_SQL_AT_ARGUMENTS + 3;
	c->last = lua_gettop(L);
	c->refusal = NULL;
}

int reef_sql_look_at_arguments(lua_State *L, struct reef_sql_connection *c) {
	bool placed = c->turn == REEF_SQL_AT_TURN;
	c->compact = placed ? lua_toboolean(L, REEF_SQL_AT_ARGUMENTS + 1) : c->lists;
	c->stream = placed && lua_toboolean(L, REEF_SQL_AT_ARGUMENTS + 2);
	return c->last < c->values ? 0 : c->last - c->values + 1;
}

int reef_sql_connect(lua_State *L) {
	reef_sql_turn_check(L, REEF_SQL_AT_TURN);
	lua_Number deadline = luaL_checknumber(L, REEF_SQL_AT_DEADLINE);
	struct reef_sql_connection *c = reef_sql_connection_check(L, REEF_SQL_AT_CONNECTION);
	const struct reef_sql_operation *operation = reef_sql_operation_check(L, REEF_SQL_AT_ARGUMENTS);
	reef_sql_operation_suits(L, operation, c);
	if (c->task)
		return luaL_error(L, "sql: this connection is in use");
	c->connecting = true;
	operation_place(L, c);
	return reef_sql_begin(L, c, operation, reef_now_ns(), operation_deadline(deadline));
}

int reef_sql_run(lua_State *L) {
	struct reef_sql_turn *turn = reef_sql_turn_check(L, REEF_SQL_AT_TURN);
	lua_Number deadline = luaL_checknumber(L, REEF_SQL_AT_DEADLINE);
	const struct reef_sql_operation *operation = reef_sql_operation_check(L, REEF_SQL_AT_CONNECTION);
	reef_task_running(L);
	struct reef_sql_connection *c = turn->core;
	if (c && c->busy)
		c->driver->close(c); /* what was left so is useless */
	if (c == NULL || !c->open) {
		reef_sql_tell(L, REEF_SQL_AT_TURN, REEF_SQL_AT_COMMAND, operation, "gone", 0);
		return luaL_error(L, "sql: session:gone has come back");
	}
	reef_sql_operation_suits(L, operation, c);
	lua_getiuservalue(L, REEF_SQL_AT_TURN, REEF_SQL_CORE);
	lua_replace(L, REEF_SQL_AT_CONNECTION);
	operation_place(L, c);
	return reef_sql_begin(L, c, operation, reef_now_ns(), operation_deadline(deadline));
}
