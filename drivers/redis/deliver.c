/* Replies to those who asked: see connection.h. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "connection_private.h"
#include "socket/socket.h"

#define RECEIVE (64 * 1024)

/* Bytes are copied from here into the reader before anything else can happen on this thread, apart from finalizers and
 * the coroutines that the replies wake; none of those receive. reef_scratch() would not do: they may well use that. */
static _Thread_local char receive_buffer[RECEIVE];

char *reef_redis_connection_room(void *ud, int id, size_t *n) {
	struct reef_redis_connection *c = ud;
	(void)id;
	char *room = reef_redis_reader_room(&c->reader, n);
	if (room)
		return room;
	*n = RECEIVE;
	return receive_buffer;
}

/* ---- messages ---- */

static void enqueue(struct reef_redis_connection *c, int index, enum reef_redis_reply kind) {
	lua_State *L = c->build;
	if (c->queue == LUA_NOREF)
		return;
	if (kind == REEF_REDIS_ERROR) {
		lua_createtable(L, 2, 0);
		lua_pushliteral(L, "error");
		lua_rawseti(L, -2, 1);
		lua_pushvalue(L, index);
		lua_rawseti(L, -2, 2);
	} else {
		lua_pushvalue(L, index);
	}
	if (c->listener) {
		struct reef_task *task = c->listener;
		c->listener = NULL;
		lua_xmove(L, reef_task_thread(task), 1);
		reef_task_resume(task, 1);
		return;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->queue);
	lua_insert(L, -2);
	lua_rawseti(L, -2, c->queue_tail++);
	lua_pop(L, 1);
	if (c->queue_tail - c->queue_head == (lua_Integer)c->max_queue)
		reef_socket_pause(c->socket);
}

/* ---- replies ---- */

/* Fails the task with the server's error, which is at `index` of the build stack. */
static void reject(struct reef_redis_connection *c, struct reef_task *task, int index, int kind, const char *command) {
	lua_State *to = reef_task_thread(task);
	const char *text = lua_tostring(c->build, index);
	if (kind & REEF_REDIS_OBJECTS) {
		reef_redis_connection_push_rejected(c, to, command, text);
	} else {
		luaL_where(to, 1);
		lua_pushstring(to, text);
		lua_concat(to, 2);
	}
	reef_task_fail(task);
}

static void answer(struct reef_redis_connection *c, struct reef_task *task, int index, enum reef_redis_reply reply,
				   int kind, const char *command) {
	if (reply == REEF_REDIS_ERROR) {
		reject(c, task, index, kind, command);
		return;
	}
	lua_State *to = reef_task_thread(task);
	if ((kind & REEF_REDIS_BOOLEAN) && lua_isinteger(c->build, index)) {
		lua_pushboolean(to, lua_tointeger(c->build, index) != 0);
	} else {
		lua_pushvalue(c->build, index);
		lua_xmove(c->build, to, 1);
	}
	if (reply == REEF_REDIS_INNER_ERROR)
		reef_task_fail(task);
	else
		reef_task_resume(task, 1);
}

/* Appends {ok=, out=} to the table of results. */
static void collect(struct reef_redis_connection *c, int ref, int index, enum reef_redis_reply reply) {
	lua_State *L = c->build;
	lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
	lua_createtable(L, 0, 2);
	lua_pushboolean(L, reply == REEF_REDIS_VALUE);
	lua_setfield(L, -2, "ok");
	lua_pushvalue(L, index);
	lua_setfield(L, -2, "out");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

static void finish_collection(struct reef_redis_connection *c, struct reef_task *task, int ref) {
	lua_State *to = reef_task_thread(task);
	lua_rawgeti(to, LUA_REGISTRYINDEX, ref);
	luaL_unref(c->build, LUA_REGISTRYINDEX, ref);
	reef_task_resume(task, 1);
}

static void deliver(struct reef_redis_connection *c, int index, enum reef_redis_reply reply) {
	struct reef_request *request = c->pending.head;
	if (reply == REEF_REDIS_PUSH || c->stream) {
		enqueue(c, index, reply);
		return;
	}
	if (request == NULL) {
		/* "-ERR max number of clients reached" and the like come unasked. */
		const char *text = reply == REEF_REDIS_ERROR ? lua_tostring(c->build, index) : "a reply that nobody asked for";
		reef_redis_connection_close(c, "protocol", text);
		return;
	}
	c->replies++;
	struct reef_task *task = request->task;
	int kind = request->kind, ref = request->ref;
	const char *command = request->command;
	bool last = --request->replies == 0;
	if (last)
		reef_pending_pop(&c->pending);
	if (task == NULL) {
		c->late++;
		if (last)
			luaL_unref(c->build, LUA_REGISTRYINDEX, ref);
	} else if (kind & REEF_REDIS_COLLECT) {
		collect(c, ref, index, reply);
		if (last)
			finish_collection(c, task, ref);
	} else if (last) {
		answer(c, task, index, reply, kind, command);
	}
}

void reef_redis_connection_data(void *ud, int id, const char *bytes, size_t n) {
	struct reef_redis_connection *c = ud;
	unsigned incarnation = c->incarnation;
	(void)id;
	reef_redis_connection_ref(c);
	while (n > 0) {
		size_t used = reef_redis_reader_feed(&c->reader, bytes, n);
		bytes += used;
		n -= used;
		int done;
		do {
			done = reef_redis_reader_parse(&c->reader, c->build);
			for (int i = 1; i <= done; i++) {
				deliver(c, i, (enum reef_redis_reply)c->reader.kind[i - 1]);
				if (c->incarnation != incarnation)
					goto out;
			}
			reef_redis_reader_drop(c->build, done);
		} while (done == REEF_REDIS_BATCH);
		if (c->reader.error[0]) {
			reef_redis_connection_close(c, "protocol", c->reader.error);
			break;
		}
	}
out:
	reef_redis_connection_unref(c);
}
