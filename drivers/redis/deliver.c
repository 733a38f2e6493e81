/* See deliver.h. */
#include "deliver.h"

#include <lauxlib.h>

#include "answer.h"
#include "connection.h"
#include "core/clock.h"
#include "messages.h"

#define RECEIVE (64 * 1024)

/* Bytes are copied from here into the reader before anything else can happen on this thread, apart from finalizers and
 * the coroutines that the replies wake; none of those receive. reef_slice_scratch() would not do: they may well use that. */
static _Thread_local char receive_buffer[RECEIVE];

char *reef_redis_room(struct reef_channel *channel, size_t *n) {
	struct reef_redis_connection *c = (struct reef_redis_connection *)channel;
	char *room = reef_redis_reader_room(&c->reader, n);
	if (room)
		return room;
	*n = RECEIVE;
	return receive_buffer;
}

/* ---- messages ---- */

static void enqueue(struct reef_redis_connection *c, int index, enum reef_redis_reply kind) {
	lua_State *L = c->requests.build;
	struct reef_task *task;
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
	if ((task = reef_requests_heard(&c->requests)) != NULL) {
		lua_xmove(L, reef_task_thread(task), 1);
		reef_task_resume(task, 1);
		return;
	}
	reef_redis_messages_add(c);
}

/* ---- replies ---- */

/* Does somebody wait for what comes next, who had sent his request before it came? */
static bool is_asked(const struct reef_redis_connection *c) {
	const struct reef_request *request = c->requests.pending.head;
	return request && reef_channel_may_answer(&c->requests.channel, request->position);
}

/* How many replies, of `left` of these kinds, belong to the request that the first one answers: one, unless it collects
 * them. */
static int run_of(const struct reef_request *request, const uint8_t *kinds, int left) {
	int n = 1;
	if (request->task && (request->kind & REEF_REDIS_COLLECT)) {
		while (n < left && (size_t)n < request->replies && kinds[n] != REEF_REDIS_PUSH)
			n++;
	}
	return n;
}

/* Delivers the first of `left` replies, which is at `index`, or it and what belongs to it. Returns how many. */
static int deliver_replies(struct reef_redis_connection *c, int index, const uint8_t *kinds, int left) {
	struct reef_requests *r = &c->requests;
	struct reef_request *request = r->pending.head;
	enum reef_redis_reply reply = (enum reef_redis_reply)kinds[0];
	if (reply == REEF_REDIS_PUSH || c->stream) {
		enqueue(c, index, reply);
		return 1;
	}
	if (!is_asked(c)) {
		/* "-ERR max number of clients reached" and the like come unasked. */
		const char *text = reply == REEF_REDIS_ERROR ? lua_tostring(r->build, index) : "a reply that nobody asked for";
		reef_channel_close(&r->channel, REEF_CHANNEL_GARBLED, text);
		return 1;
	}
	int count = run_of(request, kinds, left);
	r->answered += (unsigned)count;
	struct reef_task *task = request->task;
	const struct reef_redis_answer answer = {
			.build = r->build,
			.index = index,
			.failure = r->failure,
			.reply = reply,
			.kind = request->kind,
			.command = request->command,
	};
	int ref = request->ref;
	bool last = (request->replies -= (size_t)count) == 0;
	if (last)
		reef_pending_pop(&r->pending);
	if (task)
		reef_channel_served(&r->channel);
	if (task == NULL) {
		r->late++;
		if (last)
			luaL_unref(r->build, LUA_REGISTRYINDEX, ref);
	} else if (answer.kind & REEF_REDIS_COLLECT) {
		reef_redis_collect(&answer, kinds, count, ref);
		if (last)
			reef_redis_finish_collection(r->build, task, ref);
	} else if (last) {
		reef_redis_answer(&answer, task);
	}
	return count;
}

/* As long as it is this connection. */
static void deliver_all(struct reef_redis_connection *c, const char *bytes, size_t n) {
	struct reef_channel *channel = &c->requests.channel;
	lua_State *build = c->requests.build;
	unsigned incarnation = channel->incarnation;
	while (n > 0) {
		size_t used = reef_redis_reader_feed(&c->reader, bytes, n);
		bytes += used;
		n -= used;
		int done;
		do {
			done = reef_redis_reader_parse(&c->reader, build);
			if (channel->incarnation != incarnation)
				return;
			for (int i = 0; i < done;) {
				i += deliver_replies(c, i + 1, c->reader.kind + i, done - i);
				if (channel->incarnation != incarnation)
					return;
			}
			reef_redis_reader_drop(build, done);
		} while (done == REEF_REDIS_BATCH);
		if (c->reader.error[0]) {
			reef_channel_close(channel, REEF_CHANNEL_GARBLED, c->reader.error);
			return;
		}
	}
	if (c->reader.bytes > 0 && !c->stream && reef_redis_reader_is_answering(&c->reader) && !is_asked(c))
		reef_channel_close(channel, REEF_CHANNEL_GARBLED, "a reply that nobody asked for");
}

void reef_redis_deliver(struct reef_channel *channel, const char *bytes, size_t n) {
	struct reef_redis_connection *c = (struct reef_redis_connection *)channel;
	unsigned incarnation = channel->incarnation;
	if (c->stream)
		channel->heard_ns = reef_now_ns();
	deliver_all(c, bytes, n);
	if (channel->incarnation != incarnation)
		reef_redis_connection_forget_input(c);
}
