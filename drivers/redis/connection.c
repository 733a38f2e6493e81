/* See connection.h: life of a connection, output, failures. What comes back is in deliver.c. */
#include "connection.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "answer.h"
#include "connection_private.h"
#include "core/alloc.h"
#include "core/timer.h"
#include "socket/socket.h"
#include "socket/tls.h"

/* Larger output is handed to the socket as it is instead of being copied; smaller buffers are kept. */
#define KEEP_OUTPUT (32 * 1024)

static struct reef_redis_connection *of_flush(struct reef_deferred *deferred) {
	return (struct reef_redis_connection *)((char *)deferred - offsetof(struct reef_redis_connection, flush));
}

static struct reef_redis_connection *of_deadline(struct reef_deadline *deadline) {
	return (struct reef_redis_connection *)((char *)deadline - offsetof(struct reef_redis_connection, deadline));
}

static struct reef_redis_connection *of_wait(struct reef_wait *wait) {
	return (struct reef_redis_connection *)((char *)wait - offsetof(struct reef_redis_connection, wait));
}

/* ---- failures ---- */

static double seconds(uint64_t ns) {
	return (double)ns / 1e9;
}

static void fail_task(struct reef_redis_connection *c, struct reef_task *task, const char *code, const char *outcome,
					  const char *command, uint64_t since_ns, const char *why) {
	uint64_t now = reef_now_ns();
	const struct reef_failure failure = {
			.code = code,
			.outcome = outcome,
			.command = command,
			.why = why,
			.waited = now > since_ns ? seconds(now - since_ns) : 0,
			.in_flight = c->pending.requests - c->pending.tombstones,
			.unsent = c->output.size + (c->socket ? reef_socket_unsent(c->socket) : 0),
	};
	reef_failure_push(c->build, c->failure, reef_task_thread(task), &failure);
	reef_task_wake_fail(task);
}

/* ---- life ---- */

static void cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_redis_connection *c = of_wait(wait);
	if (c->listener == task)
		c->listener = NULL;
	if (c->opener == task) {
		c->opener = NULL;
		reef_redis_connection_close(c, "closed", "the coroutine that connected was ended");
	}
}

static uint64_t something_due(struct reef_deadline *deadline, uint64_t now_ns) {
	struct reef_redis_connection *c = of_deadline(deadline);
	struct reef_request *request = c->pending.head;
	while ((request = reef_pending_due(request, now_ns)) != NULL) {
		struct reef_task *task = request->task;
		reef_pending_bury(request);
		fail_task(c, task, "timeout", "maybe applied", request->command, request->sent_ns, "no reply in time");
	}
	if (c->listener && c->listener_deadline_ns <= now_ns) {
		struct reef_task *task = c->listener;
		c->listener = NULL;
		fail_task(c, task, "timeout", "not sent", "message", c->listener_since_ns, "no message in time");
	}
	if (c->pending.tombstones > c->max_tombstones)
		reef_redis_connection_close(c, "timeout", "too many requests without a reply in time");
	uint64_t nearest = reef_pending_nearest(&c->pending);
	return c->listener && c->listener_deadline_ns < nearest ? c->listener_deadline_ns : nearest;
}

static void flush(struct reef_deferred *deferred);

struct reef_redis_connection *reef_redis_connection_new(lua_State *L) {
	struct reef_redis_connection *c = reef_calloc(1, sizeof(*c));
	c->references = 1;
	c->grain_ns = reef_deadline_grain();
	c->host = reef_host_of(L);
	c->flush.run = flush;
	c->wait.cancel = cancelled;
	c->failure = c->overload = c->queue = LUA_NOREF;
	reef_pending_init(&c->pending);
	reef_deadline_init(&c->deadline, c->host, something_due);
	return c;
}

void reef_redis_connection_ref(struct reef_redis_connection *c) {
	c->references++;
}

void reef_redis_connection_unref(struct reef_redis_connection *c) {
	if (--c->references > 0)
		return;
	reef_pending_fini(&c->pending);
	reef_free(c->output.bytes);
	reef_free(c);
}

static void forget_output(struct reef_redis_connection *c) {
	c->output.size = 0;
	if (c->output.capacity > KEEP_OUTPUT) {
		reef_free(c->output.bytes);
		c->output = (struct reef_redis_output){0};
	}
}

void reef_redis_connection_close(struct reef_redis_connection *c, const char *code, const char *why) {
	if (c->state == REEF_REDIS_CLOSED)
		return;
	uint64_t sent = c->gathered - c->output.size - reef_socket_unsent(c->socket);
	snprintf(c->lost_text, sizeof(c->lost_text), "%s", why);
	why = c->lost_text;
	c->lost_ns = reef_now_ns();
	c->state = REEF_REDIS_CLOSED;
	c->incarnation++;
	for (struct reef_request *r = c->pending.head; r; r = r->next) {
		if (r->task) {
			struct reef_task *task = r->task;
			reef_pending_bury(r);
			fail_task(c, task, code, r->position >= sent ? "not sent" : "maybe applied", r->command, r->sent_ns, why);
		}
	}
	while (c->pending.head) {
		luaL_unref(c->build, LUA_REGISTRYINDEX, c->pending.head->ref);
		reef_pending_pop(&c->pending);
	}
	if (c->listener) {
		struct reef_task *task = c->listener;
		c->listener = NULL;
		fail_task(c, task, code, "maybe applied", "message", c->listener_since_ns, why);
	}
	if (c->opener) {
		struct reef_task *task = c->opener;
		c->opener = NULL;
		lua_pushnil(reef_task_thread(task));
		lua_pushstring(reef_task_thread(task), why);
		reef_task_wake(task, 2);
	}
	reef_deadline_fini(&c->deadline);
	reef_socket_abandon(c->socket);
	reef_socket_shutdown(c->socket);
	c->socket = 0;
	reef_redis_reader_fini(&c->reader);
	lua_settop(c->build, 0);
	forget_output(c);
}

/* ---- what the socket says ---- */

static void tell_overload(struct reef_redis_connection *c, bool on) {
	if (c->overloaded == on)
		return;
	c->overloaded = on;
	if (c->overload == LUA_NOREF)
		return;
	lua_rawgeti(c->build, LUA_REGISTRYINDEX, c->overload);
	lua_pushboolean(c->build, on);
	if (lua_pcall(c->build, 1, 0, 0) != LUA_OK)
		lua_pop(c->build, 1);
}

static void opened(void *ud, int id, const char *peer) {
	struct reef_redis_connection *c = ud;
	(void)id, (void)peer;
	struct reef_task *task = c->opener;
	c->state = REEF_REDIS_LOGIN;
	c->opener = NULL;
	tell_overload(c, false);
	lua_pushboolean(reef_task_thread(task), true);
	reef_task_resume(task, 1);
}

static void closed(void *ud, int id) {
	(void)id;
	reef_redis_connection_close(ud, "closed", "the server closed the connection");
}

static void failed(void *ud, int id, int error, const char *text) {
	(void)id, (void)error;
	reef_redis_connection_close(ud, "closed", text);
}

static void warning(void *ud, int id, size_t kb) {
	struct reef_redis_connection *c = ud;
	(void)id;
	c->unsent_limit = kb * 1024;
	tell_overload(c, kb > 0);
}

static const struct reef_sink sink = {
		.opened = opened,
		.data = reef_redis_connection_data,
		.room = reef_redis_connection_room,
		.closed = closed,
		.failed = failed,
		.warning = warning,
};

const char *reef_redis_connection_connect(struct reef_redis_connection *c, struct reef_task *task, const char *host,
										  int port, uint64_t deadline_ns, const struct reef_tls_target *tls) {
	const char *error = NULL;
	if (c->state != REEF_REDIS_CLOSED)
		return "the connection is in use";
	c->socket = reef_socket_open(host, port, deadline_ns, &sink, c, &error);
	if (c->socket == 0)
		return error;
	if (tls)
		(void)reef_socket_use_tls(c->socket, tls, NULL, 0);
	reef_redis_reader_init(&c->reader, &c->limits);
	c->state = REEF_REDIS_CONNECTING;
	c->incarnation++;
	c->gathered = 0;
	c->unsent_limit = 0;
	c->opener = task;
	c->wait.what = "redis connect";
	return NULL;
}

/* ---- output ---- */

static void flush(struct reef_deferred *deferred) {
	struct reef_redis_connection *c = of_flush(deferred);
	c->flush_queued = false;
	char *bytes = c->output.bytes;
	size_t n = c->output.size;
	c->output.size = 0;
	/* A socket that refuses has ended; `closed` or `failed` will say so. */
	if (n > KEEP_OUTPUT) {
		c->output = (struct reef_redis_output){0};
		(void)reef_socket_write_take(c->socket, bytes, n, REEF_NORMAL);
	} else if (n > 0) {
		(void)reef_socket_write(c->socket, bytes, n, REEF_NORMAL);
	}
	reef_redis_connection_unref(c);
}

size_t reef_redis_connection_commit(struct reef_redis_connection *c) {
	size_t size = reef_redis_commit(&c->output);
	c->gathered += size;
	if (!c->flush_queued) {
		c->flush_queued = true;
		reef_redis_connection_ref(c);
		if (!reef_slice_defer(&c->flush))
			flush(&c->flush);
	}
	return size;
}

const char *reef_redis_connection_refusal(const struct reef_redis_connection *c) {
	return c->unsent_limit > c->max_unsent ? "the server does not read: too many bytes wait to be sent" : "";
}

struct reef_request *reef_redis_connection_request(struct reef_redis_connection *c, struct reef_task *task,
												   const char *command, size_t replies, size_t size,
												   uint64_t timeout_ns) {
	struct reef_request *request = reef_pending_add(&c->pending, task, replies);
	request->command = command;
	request->wait.what = command;
	request->position = c->gathered - size;
	request->sent_ns = reef_deadline_clock();
	request->ref = LUA_NOREF;
	c->requests++;
	if (timeout_ns > 0) {
		request->deadline_ns = request->sent_ns + c->grain_ns + timeout_ns;
		reef_deadline_arm(&c->deadline, request->deadline_ns);
	}
	return request;
}

/* ---- messages ---- */

void reef_redis_connection_listen(struct reef_redis_connection *c, struct reef_task *task, uint64_t timeout_ns) {
	c->listener = task;
	c->listener_since_ns = reef_now_ns();
	c->listener_deadline_ns = timeout_ns > 0 ? c->listener_since_ns + timeout_ns : REEF_NO_DEADLINE;
	c->wait.what = "redis message";
	reef_deadline_arm(&c->deadline, c->listener_deadline_ns);
}

bool reef_redis_connection_message(struct reef_redis_connection *c, lua_State *L) {
	if (c->queue_head == c->queue_tail)
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->queue);
	lua_rawgeti(L, -1, c->queue_head);
	lua_pushnil(L);
	lua_rawseti(L, -3, c->queue_head);
	lua_remove(L, -2);
	c->queue_head++;
	if (c->queue_tail - c->queue_head == (lua_Integer)(c->max_queue / 2) && c->state != REEF_REDIS_CLOSED)
		reef_socket_resume(c->socket);
	return true;
}
