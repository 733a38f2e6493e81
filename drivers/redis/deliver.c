/* Replies to those who asked: see connection.h. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "answer.h"
#include "connection_private.h"
#include "core/timer.h"
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
	const struct reef_redis_answer answer = {
			.build = c->build,
			.index = index,
			.failure = c->failure,
			.reply = reply,
			.kind = request->kind,
			.command = request->command,
	};
	int ref = request->ref;
	bool last = --request->replies == 0;
	if (last)
		reef_pending_pop(&c->pending);
	if (task == NULL) {
		c->late++;
		if (last)
			luaL_unref(c->build, LUA_REGISTRYINDEX, ref);
	} else if (answer.kind & REEF_REDIS_COLLECT) {
		reef_redis_collect(&answer, ref);
		if (last)
			reef_redis_finish_collection(c->build, task, ref);
	} else if (last) {
		reef_redis_answer(&answer, task);
	}
}

void reef_redis_connection_data(void *ud, int id, const char *bytes, size_t n) {
	struct reef_redis_connection *c = ud;
	unsigned incarnation = c->incarnation;
	(void)id;
	if (c->stream)
		c->heard_ns = reef_now_ns();
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
