/* See connection.h. */
#include "connection.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "bson.h"
#include "core/alloc.h"
#include "core/timer.h"
#include "message.h"
#include "socket/socket.h"
#include "socket/tls.h"

enum {
	RECEIVE = 64 * 1024,
	/* A larger output buffer is handed to the socket as it is; a larger input buffer is not kept. */
	KEEP = 32 * 1024,
};

/* Received bytes are read from here before the next receive; what wakes in between does not receive. */
static _Thread_local char receive_buffer[RECEIVE];

static struct reef_mongo_connection *of_flush(struct reef_deferred *deferred) {
	return (struct reef_mongo_connection *)((char *)deferred - offsetof(struct reef_mongo_connection, flush));
}

static struct reef_mongo_connection *of_deadline(struct reef_deadline *deadline) {
	return (struct reef_mongo_connection *)((char *)deadline - offsetof(struct reef_mongo_connection, deadline));
}

static struct reef_mongo_connection *of_wait(struct reef_wait *wait) {
	return (struct reef_mongo_connection *)((char *)wait - offsetof(struct reef_mongo_connection, wait));
}

/* ---- failures ---- */

/* Pushes nil and the error object. */
static void push_failure(struct reef_mongo_connection *c, lua_State *to, const char *code, const char *outcome,
						 const char *command, double waited, const char *why) {
	lua_State *L = c->build;
	lua_pushnil(to);
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->failure);
	lua_pushstring(L, code);
	lua_pushstring(L, outcome);
	lua_pushstring(L, command);
	lua_pushnumber(L, waited);
	lua_pushstring(L, why);
	/* What goes wrong in there is the error then. */
	(void)lua_pcall(L, 5, 1, 0);
	lua_xmove(L, to, 1);
}

static void fail_task(struct reef_mongo_connection *c, struct reef_task *task, const char *code, const char *outcome,
					  const char *command, uint64_t since_ns, const char *why) {
	uint64_t now = reef_now_ns();
	double waited = now > since_ns ? (double)(now - since_ns) / 1e9 : 0;
	push_failure(c, reef_task_thread(task), code, outcome, command, waited, why);
	reef_task_wake(task, 2);
}

/* ---- life ---- */

static void cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_mongo_connection *c = of_wait(wait);
	if (c->listener == task) {
		c->listener = NULL;
	}
	if (c->opener == task) {
		c->opener = NULL;
		reef_mongo_connection_close(c, "closed", "the coroutine that connected was ended");
	}
}

static uint64_t something_due(struct reef_deadline *deadline, uint64_t now_ns) {
	struct reef_mongo_connection *c = of_deadline(deadline);
	struct reef_request *request = c->pending.head;
	while ((request = reef_pending_due(request, now_ns)) != NULL) {
		struct reef_task *task = request->task;
		reef_pending_bury(request);
		fail_task(c, task, "timeout", "maybe applied", request->command, request->sent_ns, "no reply in time");
	}
	if (c->listener != NULL && c->listener_deadline_ns <= now_ns) {
		struct reef_task *task = c->listener;
		c->listener = NULL;
		fail_task(c, task, "timeout", "not sent", "hello", now_ns, "no further reply in time");
	}
	uint64_t nearest = reef_pending_nearest(&c->pending);
	return c->listener != NULL && c->listener_deadline_ns < nearest ? c->listener_deadline_ns : nearest;
}

static void flush(struct reef_deferred *deferred);

struct reef_mongo_connection *reef_mongo_connection_new(lua_State *L) {
	struct reef_mongo_connection *c = reef_calloc(1, sizeof(*c));
	c->references = 1;
	c->host = reef_host_of(L);
	c->flush.run = flush;
	c->wait.cancel = cancelled;
	c->failure = c->stream_early = LUA_NOREF;
	reef_writer_init(&c->out, SIZE_MAX);
	reef_writer_init(&c->in, REEF_WIRE_MAX);
	reef_pending_init(&c->pending);
	reef_deadline_init(&c->deadline, c->host, something_due);
	return c;
}

void reef_mongo_connection_ref(struct reef_mongo_connection *c) {
	c->references++;
}

void reef_mongo_connection_unref(struct reef_mongo_connection *c) {
	if (--c->references > 0) {
		return;
	}
	reef_pending_fini(&c->pending);
	reef_writer_fini(&c->out);
	reef_writer_fini(&c->in);
	reef_free(c);
}

static void fail_pending(struct reef_mongo_connection *c, const char *code, const char *why, uint64_t sent) {
	for (struct reef_request *r = c->pending.head; r != NULL; r = r->next) {
		if (r->task != NULL) {
			struct reef_task *task = r->task;
			reef_pending_bury(r);
			fail_task(c, task, code, r->position >= sent ? "not sent" : "maybe applied", r->command, r->sent_ns, why);
		}
	}
	while (c->pending.head != NULL) {
		reef_pending_pop(&c->pending);
	}
}

void reef_mongo_connection_close(struct reef_mongo_connection *c, const char *code, const char *why) {
	if (c->state == REEF_MONGO_CLOSED) {
		return;
	}
	c->state = REEF_MONGO_CLOSED;
	if (c->socket == 0) {
		return;
	}
	snprintf(c->why, sizeof(c->why), "%s", why);
	fail_pending(c, code, c->why, c->gathered - c->committed - reef_socket_unsent(c->socket));
	if (c->listener != NULL) {
		struct reef_task *task = c->listener;
		c->listener = NULL;
		fail_task(c, task, code, "not sent", "hello", reef_now_ns(), c->why);
	}
	if (c->opener != NULL) {
		struct reef_task *task = c->opener;
		c->opener = NULL;
		fail_task(c, task, code, "not sent", "connect", c->opened_ns, c->why);
	}
	reef_deadline_fini(&c->deadline);
	reef_socket_abandon(c->socket);
	reef_socket_shutdown(c->socket);
	c->socket = 0;
	c->committed = 0;
	reef_writer_fini(&c->out);
	reef_writer_fini(&c->in);
}

/* ---- replies ---- */

/* Pushes the reply on the build stack. False: it is malformed, the connection is closed. */
static bool build_reply(struct reef_mongo_connection *c, struct reef_wire_message *m, unsigned flags) {
	lua_State *L = c->build;
	lua_settop(L, 0);
	if (!reef_mongo_push_reply(L, m, flags)) {
		const char *text = lua_tostring(L, -1);
		reef_mongo_connection_close(c, "protocol", text != NULL ? text : "malformed reply");
		return false;
	}
	return true;
}

static void resume(struct reef_mongo_connection *c, struct reef_task *task) {
	lua_xmove(c->build, reef_task_thread(task), 1);
	reef_task_resume(task, 1);
}

static void deliver_streamed(struct reef_mongo_connection *c, struct reef_wire_message *m) {
	c->stream = (m->flags & REEF_WIRE_MORE_TO_COME) != 0 ? m->request_id : 0;
	if (!build_reply(c, m, c->stream_decode)) {
		return;
	}
	if (c->listener != NULL) {
		struct reef_task *task = c->listener;
		c->listener = NULL;
		resume(c, task);
		return;
	}
	lua_State *L = c->build;
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
	struct reef_request *request = c->pending.head;
	if (c->stream != 0 && m->response_to == c->stream) {
		deliver_streamed(c, m);
		return;
	}
	if (request == NULL || request->ref != m->response_to) {
		reef_mongo_connection_close(c, "protocol", "a reply that nobody asked for");
		return;
	}
	struct reef_task *task = request->task;
	unsigned flags = (unsigned)request->kind;
	if ((m->flags & REEF_WIRE_MORE_TO_COME) != 0) {
		c->stream = m->request_id;
		c->stream_decode = flags;
	}
	if (task == NULL) {
		reef_pending_pop(&c->pending);
	} else if (build_reply(c, m, flags)) {
		reef_pending_pop(&c->pending);
		resume(c, task);
	}
}

/* Delivers the whole messages at the start of these bytes: how many bytes they were. */
static size_t deliver_all(struct reef_mongo_connection *c, const uint8_t *bytes, size_t n) {
	struct reef_wire_message m;
	const char *error = NULL;
	size_t used = 0;
	while (c->state == REEF_MONGO_OPEN) {
		long size = reef_wire_parse(bytes + used, n - used, &m, &error);
		if (size < 0) {
			reef_mongo_connection_close(c, "protocol", error);
		}
		if (size <= 0) {
			break;
		}
		deliver(c, &m);
		used += (size_t)size;
	}
	return used;
}

/* ---- what the socket says ---- */

static void opened(void *ud, int id, const char *peer) {
	struct reef_mongo_connection *c = ud;
	(void)id, (void)peer;
	struct reef_task *task = c->opener;
	c->state = REEF_MONGO_OPEN;
	c->opener = NULL;
	lua_pushboolean(reef_task_thread(task), true);
	reef_task_resume(task, 1);
}

/* A message that has begun is read to its place; there is never more room than has been received twice over. */
static char *room(void *ud, int id, size_t *n) {
	struct reef_mongo_connection *c = ud;
	(void)id;
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

static void data(void *ud, int id, const char *bytes, size_t n) {
	struct reef_mongo_connection *c = ud;
	(void)id;
	reef_mongo_connection_ref(c);
	if (c->in.size > 0) {
		if (bytes == (const char *)c->in.data + c->in.size) {
			c->in.size += n;
		} else if (!reef_writer_bytes(&c->in, bytes, n)) {
			reef_mongo_connection_close(c, "protocol", "a message too large, or no memory for it");
		}
		if (c->state == REEF_MONGO_OPEN) {
			/* Taken out of the connection, which may be closed by what the reply wakes. */
			struct reef_writer in = c->in;
			reef_writer_init(&c->in, REEF_WIRE_MAX);
			size_t used = deliver_all(c, in.data, in.size);
			if (c->state == REEF_MONGO_OPEN && (used < in.size || in.capacity <= KEEP)) {
				memmove(in.data, in.data + used, in.size - used);
				in.size -= used;
				c->in = in;
			} else {
				reef_writer_fini(&in);
			}
		}
	} else {
		size_t used = deliver_all(c, (const uint8_t *)bytes, n);
		if (c->state == REEF_MONGO_OPEN && !reef_writer_bytes(&c->in, bytes + used, n - used)) {
			reef_mongo_connection_close(c, "protocol", "no memory for a message");
		}
	}
	reef_mongo_connection_unref(c);
}

static void closed(void *ud, int id) {
	(void)id;
	reef_mongo_connection_close(ud, "network", "the server closed the connection");
}

static void failed(void *ud, int id, int error, const char *text) {
	(void)id, (void)error;
	reef_mongo_connection_close(ud, "network", text);
}

static const struct reef_sink sink = {
		.opened = opened,
		.data = data,
		.room = room,
		.closed = closed,
		.failed = failed,
};

const char *reef_mongo_connection_open(struct reef_mongo_connection *c, struct reef_task *task, const char *host,
									   int port, uint64_t deadline_ns, const struct reef_tls_target *tls) {
	const char *error = NULL;
	if (c->state != REEF_MONGO_NEW) {
		return "the connection was used before";
	}
	c->socket = reef_socket_open(host, port, deadline_ns, &sink, c, &error);
	if (c->socket == 0) {
		c->state = REEF_MONGO_CLOSED;
		return error;
	}
	if (tls != NULL) {
		(void)reef_socket_use_tls(c->socket, tls, NULL, 0);
	}
	c->state = REEF_MONGO_CONNECTING;
	c->opener = task;
	c->opened_ns = reef_now_ns();
	c->wait.what = "mongo connect";
	return NULL;
}

/* ---- output ---- */

static void flush(struct reef_deferred *deferred) {
	struct reef_mongo_connection *c = of_flush(deferred);
	c->flush_queued = false;
	size_t n = c->committed;
	c->committed = 0;
	/* A socket that refuses has ended; `closed` or `failed` will say so. */
	if (n > KEEP) {
		(void)reef_socket_write_take(c->socket, c->out.data, n, REEF_NORMAL);
		reef_writer_init(&c->out, SIZE_MAX);
	} else if (n > 0) {
		(void)reef_socket_write(c->socket, c->out.data, n, REEF_NORMAL);
		c->out.size = 0;
	}
	reef_mongo_connection_unref(c);
}

size_t reef_mongo_connection_begin(struct reef_mongo_connection *c) {
	c->out.size = c->committed;
	c->out.limit = c->committed + REEF_WIRE_MAX;
	return reef_writer_add(&c->out, REEF_MONGO_HEADER) != NULL ? c->committed : SIZE_MAX;
}

int32_t reef_mongo_connection_commit(struct reef_mongo_connection *c, size_t start, uint32_t flags) {
	int32_t id = reef_mongo_next_id();
	size_t size = c->out.size - start;
	reef_wire_put_header(c->out.data + start, size, id, 0, flags);
	c->gathered += size;
	c->committed = c->out.size;
	if (!c->flush_queued) {
		c->flush_queued = true;
		reef_mongo_connection_ref(c);
		if (!reef_slice_defer(&c->flush)) {
			flush(&c->flush);
		}
	}
	return id;
}

struct reef_request *reef_mongo_connection_request(struct reef_mongo_connection *c, struct reef_task *task, int32_t id,
												   size_t size, const char *command, unsigned decode,
												   uint64_t timeout_ns) {
	struct reef_request *request = reef_pending_add(&c->pending, task, 1);
	request->ref = id;
	request->kind = (int)decode;
	request->command = command;
	request->wait.what = command;
	request->position = c->gathered - size;
	request->sent_ns = reef_deadline_clock();
	if (timeout_ns > 0) {
		request->deadline_ns = request->sent_ns + reef_deadline_grain() + timeout_ns;
		reef_deadline_arm(&c->deadline, request->deadline_ns);
	}
	return request;
}

void reef_mongo_connection_listen(struct reef_mongo_connection *c, struct reef_task *task, uint64_t timeout_ns) {
	c->listener = task;
	c->listener_deadline_ns = timeout_ns > 0 ? reef_now_ns() + timeout_ns : REEF_NO_DEADLINE;
	c->wait.what = "mongo hello";
	reef_deadline_arm(&c->deadline, c->listener_deadline_ns);
}
