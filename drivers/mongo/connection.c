/* See connection.h. */
#include "connection.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "message.h"

enum {
	RECEIVE = 64 * 1024,
	/* A larger input buffer is not kept. */
	KEEP = 32 * 1024,
};

/* Received bytes are read from here before the next receive; what wakes in between does not receive. */
static _Thread_local char receive_buffer[RECEIVE];

/* What a compressed message becomes, in either direction; used up at once, and nothing of it outlives the thread. */
static _Thread_local struct reef_writer expanded;

static void expanded_release(void) {
	reef_writer_fini(&expanded);
}

/* ---- replies ---- */

/* Pushes the reply on the build stack. False: it is malformed, or a finalizer has run that ended it; the connection is closed. */
static bool build_reply(struct reef_mongo_connection *c, struct reef_wire_message *m, unsigned flags) {
	lua_State *L = c->requests.build;
	unsigned incarnation = c->requests.channel.incarnation;
	lua_settop(L, 0);
	if (!reef_mongo_message_push_reply(L, m, flags)) {
		const char *text = lua_tostring(L, -1);
		reef_channel_close(&c->requests.channel, REEF_CHANNEL_GARBLED, text != NULL ? text : "malformed reply");
		return false;
	}
	return c->requests.channel.incarnation == incarnation;
}

static void resume(struct reef_mongo_connection *c, struct reef_task *task) {
	lua_xmove(c->requests.build, reef_task_thread(task), 1);
	reef_task_resume(task, 1);
}

static void deliver_streamed(struct reef_mongo_connection *c, struct reef_wire_message *m) {
	c->stream = (m->flags & REEF_WIRE_MORE_TO_COME) != 0 ? m->request_id : 0;
	if (!build_reply(c, m, c->stream_decode)) {
		return;
	}
	struct reef_task *task = reef_requests_heard(&c->requests);
	if (task != NULL) {
		resume(c, task);
		return;
	}
	lua_State *L = c->requests.build;
	if (c->stream_early == LUA_NOREF) {
		lua_newtable(L);
		c->stream_early = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->stream_early);
	lua_insert(L, -2);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_settop(L, 0);
}

static void deliver(struct reef_mongo_connection *c, struct reef_wire_message *m) {
	struct reef_request *request = c->requests.pending.head;
	if (c->stream != 0 && m->response_to == c->stream) {
		deliver_streamed(c, m);
		return;
	}
	if (request == NULL || request->ref != m->response_to) {
		reef_channel_close(&c->requests.channel, REEF_CHANNEL_GARBLED, "a reply that nobody asked for");
		return;
	}
	struct reef_task *task = request->task;
	unsigned flags = (unsigned)request->kind;
	if ((m->flags & REEF_WIRE_MORE_TO_COME) != 0) {
		c->stream = m->request_id;
		c->stream_decode = flags;
	}
	if (task == NULL) {
		reef_pending_pop(&c->requests.pending);
	} else if (build_reply(c, m, flags)) {
		reef_channel_served(&c->requests.channel);
		reef_pending_pop(&c->requests.pending);
		resume(c, task);
	}
}

/* As reef_wire_parse, for a message that is compressed. */
static long parse_compressed(const uint8_t *bytes, size_t n, struct reef_wire_message *m, const char **error) {
	size_t size = reef_wire_expect(bytes, n);
	if (size == 0) {
		*error = "message length out of range";
		return -1;
	}
	if (n < size)
		return 0;
	expanded.limit = REEF_WIRE_MAX;
	*error = reef_compress_expand(&expanded, bytes, size);
	long parsed = *error ? -1 : reef_wire_parse(expanded.data, expanded.size, m, error);
	if (parsed == 0)
		*error = "compressed message that is not whole";
	if (parsed > 0)
		return (long)size;
	expanded_release();
	return -1;
}

/* Delivers the whole messages at the start of these bytes: how many bytes they were. */
static size_t deliver_all(struct reef_mongo_connection *c, const uint8_t *bytes, size_t n) {
	struct reef_wire_message m;
	const char *error = NULL;
	size_t used = 0;
	while (c->requests.channel.state == REEF_CHANNEL_OPEN) {
		bool compressed = reef_compress_is(bytes + used, n - used);
		long size = compressed ? parse_compressed(bytes + used, n - used, &m, &error)
							   : reef_wire_parse(bytes + used, n - used, &m, &error);
		if (size < 0) {
			reef_channel_close(&c->requests.channel, REEF_CHANNEL_GARBLED, error);
		}
		if (size <= 0) {
			break;
		}
		deliver(c, &m);
		if (compressed)
			expanded_release();
		used += (size_t)size;
	}
	return used;
}

/* ---- what the channel says ---- */

static void mongo_opened(struct reef_channel *channel) {
	channel->state = REEF_CHANNEL_OPEN;
}

/* A message that has begun is read to its place; there is never more room than has been received twice over. */
static char *mongo_room(struct reef_channel *channel, size_t *n) {
	struct reef_mongo_connection *c = (struct reef_mongo_connection *)channel;
	if (c->in.size == 0) {
		*n = RECEIVE;
		return receive_buffer;
	}
	size_t expected = reef_wire_expect(c->in.data, c->in.size);
	size_t left = expected > c->in.size ? expected - c->in.size : REEF_WIRE_HEADER;
	size_t most = c->in.size > RECEIVE ? c->in.size : RECEIVE;
	size_t want = left < most ? left : most;
	if (c->in.capacity - c->in.size < want && !reef_writer_grow(&c->in, want)) {
		*n = RECEIVE;
		return receive_buffer;
	}
	*n = want;
	return (char *)c->in.data + c->in.size;
}

static void mongo_data(struct reef_channel *channel, const char *bytes, size_t n) {
	struct reef_mongo_connection *c = (struct reef_mongo_connection *)channel;
	if (c->in.size > 0) {
		if (bytes == (const char *)c->in.data + c->in.size) {
			c->in.size += n;
		} else if (!reef_writer_bytes(&c->in, bytes, n)) {
			reef_channel_close(channel, REEF_CHANNEL_GARBLED, "a message too large, or no memory for it");
		}
		if (channel->state == REEF_CHANNEL_OPEN) {
			/* Taken out of the connection, which may be closed by what the reply wakes. */
			struct reef_writer in = c->in;
			reef_writer_init(&c->in, REEF_WIRE_MAX);
			size_t used = deliver_all(c, in.data, in.size);
			if (channel->state == REEF_CHANNEL_OPEN && (used < in.size || in.capacity <= KEEP)) {
				memmove(in.data, in.data + used, in.size - used);
				in.size -= used;
				c->in = in;
			} else {
				reef_writer_fini(&in);
			}
		}
	} else {
		size_t used = deliver_all(c, (const uint8_t *)bytes, n);
		if (channel->state == REEF_CHANNEL_OPEN && !reef_writer_bytes(&c->in, bytes + used, n - used)) {
			reef_channel_close(channel, REEF_CHANNEL_GARBLED, "no memory for a message");
		}
	}
}

static void mongo_fail(struct reef_requests *r, struct reef_task *task, const struct reef_failure *failure) {
	lua_pushnil(reef_task_thread(task));
	reef_failure_push(r->build, r->failure, reef_task_thread(task), failure);
	reef_task_wake(task, 2);
}

static const struct reef_requests_protocol requests_protocol = {
		.codes = {"closed", "network", "network", "protocol", "closed"},
		.name = "mongodb",
		.listening = "hello",
		.fail = mongo_fail,
};

static void mongo_refused(struct reef_channel *channel, struct reef_task *task, enum reef_channel_end end) {
	reef_requests_fail((struct reef_requests *)channel, task, requests_protocol.codes[end], "not sent", "connect",
					   channel->opening_ns, channel->lost);
}

static void mongo_ended(struct reef_channel *channel, enum reef_channel_end end, uint64_t sent) {
	struct reef_mongo_connection *c = (struct reef_mongo_connection *)channel;
	reef_requests_end(&c->requests, end, sent);
	reef_writer_fini(&c->in);
}

static void mongo_release(struct reef_channel *channel) {
	struct reef_mongo_connection *c = (struct reef_mongo_connection *)channel;
	reef_requests_fini(&c->requests);
	reef_writer_fini(&c->in);
	reef_free(c);
}

static const struct reef_channel_protocol channel_protocol = {
		.connecting = "mongo connect",
		.room = mongo_room,
		.data = mongo_data,
		.opened = mongo_opened,
		.refused = mongo_refused,
		.ended = mongo_ended,
		.cancelled = reef_requests_cancelled,
		.release = mongo_release,
};

struct reef_mongo_connection *reef_mongo_connection_new(lua_State *L) {
	struct reef_mongo_connection *c = reef_calloc(1, sizeof(*c));
	reef_requests_init(&c->requests, L, &channel_protocol, &requests_protocol);
	c->stream_early = LUA_NOREF;
	reef_writer_init(&c->in, REEF_WIRE_MAX);
	return c;
}

bool reef_mongo_connection_send(struct reef_mongo_connection *c, struct reef_writer *w, const char *command) {
	struct reef_channel *channel = &c->requests.channel;
	if (c->compressor != REEF_COMPRESS_NONE && reef_compress_is_allowed(command)) {
		expanded.limit = 2 * (size_t)REEF_WIRE_MAX;
		bool sent = reef_compress_message(&expanded, w->data, w->size, c->compressor, c->level) &&
					reef_channel_put(channel, (const char *)expanded.data, expanded.size);
		expanded_release();
		return sent;
	}
	if (w->capacity <= REEF_MONGO_KEEP)
		return reef_channel_put(channel, (const char *)w->data, w->size);
	if (!reef_channel_give(channel, (char *)w->data, w->size, w->capacity))
		return false;
	reef_writer_init(w, w->limit);
	return true;
}
