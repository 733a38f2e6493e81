/* One connection of a pool: bytes out and in, requests matched to replies by their order. See proxy.h. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/service.h"
#include "core/timer.h"
#include "proxy.h"
#include "socket/socket.h"
#include "socket/tls.h"

#define KEEP_OUTPUT (64 * 1024) /* larger output is handed over instead of being copied; smaller buffers are kept */
#define INPUT (64 * 1024)       /* of room to read into, at least half of it */
#define TEXT 160
#define POST_NS UINT64_C(60000000000) /* a reply that nobody waits for has to come within this */

static void unref(struct reef_pool_connection *c) {
	if (--c->references > 0)
		return;
	reef_free(c->out);
	reef_free(c->in);
	reef_free(c);
}

/* ---- output ---- */

static void flush(struct reef_deferred *deferred) {
	struct reef_pool_connection *c =
			(struct reef_pool_connection *)((char *)deferred - offsetof(struct reef_pool_connection, flush));
	size_t n = c->out_size;
	c->flush_queued = false;
	c->out_size = 0;
	c->batch = 0;
	if (c->pool && c->pool->batching == c)
		c->pool->batching = NULL;
	/* A socket that refuses has ended; `closed` or `failed` will say so. */
	if (n > KEEP_OUTPUT) {
		(void)reef_socket_write_take(c->socket, c->out, n, REEF_NORMAL);
		c->out = NULL;
		c->out_capacity = 0;
	} else if (n > 0) {
		(void)reef_socket_write(c->socket, c->out, n, REEF_NORMAL);
	}
	unref(c);
}

static bool append(struct reef_pool_connection *c, const char *bytes, size_t n) {
	if (c->out_capacity - c->out_size < n) {
		size_t capacity = c->out_capacity ? c->out_capacity * 2 : 4096;
		if (capacity - c->out_size < n)
			capacity = c->out_size + n;
		char *out = reef_try_realloc(c->out, capacity);
		if (out == NULL)
			return false;
		c->out = out;
		c->out_capacity = capacity;
	}
	memcpy(c->out + c->out_size, bytes, n);
	c->out_size += n;
	c->gathered += n;
	if (!c->flush_queued) {
		c->flush_queued = true;
		c->references++;
		if (!reef_slice_defer(&c->flush))
			flush(&c->flush);
	}
	return true;
}

bool reef_pool_connection_write(struct reef_pool_connection *c, const char *bytes, size_t n) {
	if (!append(c, bytes, n))
		return false;
	c->pool->counters.bytes_out += n;
	c->bytes_out += n;
	return true;
}

/* Whoever asked goes on; the node stays, for the reply. */
static void answer_post(struct reef_pool *pool, struct reef_pool_node *node) {
	struct reef_pool_node *copy = reef_pool_node_new(pool);
	*copy = *node;
	copy->bytes = NULL;
	reef_pool_reply(pool, copy, "", 0);
	node->source = 0;
	node->kind = REEF_POOL_EXECUTE;
	node->deadline_ns = reef_pool_now(pool) + POST_NS;
}

bool reef_pool_connection_send(struct reef_pool_connection *c, struct reef_pool_node *node, const char *bytes,
							   size_t n) {
	struct reef_pool *pool = c->pool;
	uint64_t position = c->gathered;
	if (!reef_pool_connection_write(c, bytes, n))
		return false;
	c->requests++;
	c->batch++;
	if (node->kind == REEF_POOL_REQUEST || node->kind == REEF_POOL_POST)
		c->used_ns = reef_pool_now(pool);
	if (node->kind == REEF_POOL_POST)
		answer_post(pool, node);
	node->position = position;
	if (c->flying.head == NULL)
		pool->protocol->begin(&c->frames, node->expect);
	reef_pool_list_push(&c->flying, node);
	pool->flying++;
	if (node->deadline_ns != REEF_NO_DEADLINE)
		reef_deadline_arm(&pool->deadline, node->deadline_ns);
	return true;
}

bool reef_pool_connection_sent(const struct reef_pool_connection *c, const struct reef_pool_node *node) {
	return node->position < c->gathered - c->out_size - reef_socket_unsent(c->socket);
}

/* ---- ends ---- */

/* A coroutine of our Lua half that waits for this connection is ended. */
static void cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_pool_connection *c =
			(struct reef_pool_connection *)((char *)wait - offsetof(struct reef_pool_connection, wait));
	if (c->mourner == task)
		c->mourner = NULL;
	if (c->opener == task) {
		c->opener = NULL;
		reef_pool_connection_close(c, REEF_POOL_CODE_CLOSED, "whoever connected was ended");
	}
	for (struct reef_pool_node *node = c->flying.head; node; node = node->next) {
		if (node->task == task)
			reef_pool_connection_bury(c, node);
	}
}

struct reef_pool_connection *reef_pool_connection_new(struct reef_pool *pool, bool pinned) {
	struct reef_pool_connection *c = reef_calloc(1, sizeof(*c));
	c->references = 1;
	c->pool = pool;
	c->pinned = pinned;
	c->number = ++pool->numbers;
	c->flush.run = flush;
	c->wait.cancel = cancelled;
	c->wait.what = "pool connection";
	c->frames.limit = pool->options.limit;
	reef_pool_list_init(&c->flying);
	c->next = pool->connections;
	pool->connections = c;
	return c;
}

void reef_pool_connection_delete(struct reef_pool_connection *c) {
	struct reef_pool_connection **link = &c->pool->connections;
	reef_pool_connection_close(c, REEF_POOL_CODE_ENDED, "the pool has ended");
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	c->pool = NULL;
	unref(c);
}

static void wake_with_text(struct reef_pool *pool, struct reef_task **waiter, const char *text) {
	struct reef_task *task = *waiter;
	if (task == NULL)
		return;
	*waiter = NULL;
	pool->woke = true;
	lua_pushnil(reef_task_thread(task));
	lua_pushstring(reef_task_thread(task), text);
	reef_task_wake(task, 2);
}

void reef_pool_connection_close(struct reef_pool_connection *c, uint8_t code, const char *why) {
	struct reef_pool *pool = c->pool;
	if (c->state == REEF_POOL_CLOSED)
		return;
	snprintf(c->lost, sizeof(c->lost), "%s", why);
	uint64_t sent = c->gathered - c->out_size - reef_socket_unsent(c->socket);
	c->incarnation++;
	if (pool->batching == c)
		pool->batching = NULL;
	struct reef_pool_list flying = c->flying;
	reef_pool_list_init(&c->flying);
	c->state = REEF_POOL_CLOSED;
	reef_socket_abandon(c->socket);
	reef_socket_shutdown(c->socket);
	c->socket = 0;
	c->out_size = c->in_size = c->tombstones = 0;
	c->taken = c->checking = c->paused = c->frames.stream = false;
	c->holder = 0;
	struct reef_pool_node *node = reef_pool_stream_leave(c);
	if (node)
		reef_pool_fail(pool, node, code, false, c->lost);
	node = flying.head;
	while (node) {
		struct reef_pool_node *next = node->next;
		pool->flying--;
		reef_pool_leave_lane(pool, node);
		if (node->source)
			pool->counters.lost++;
		reef_pool_fail(pool, node, code, node->position < sent, c->lost);
		node = next;
	}
	if (c->in_capacity > INPUT) {
		reef_free(c->in);
		c->in = NULL;
		c->in_capacity = 0;
	}
	wake_with_text(pool, &c->opener, c->lost);
	wake_with_text(pool, &c->mourner, c->lost);
	if (c->pinned)
		reef_pool_serve_wanting(pool);
	reef_pool_check_idle(pool);
}

bool reef_pool_connection_check(struct reef_pool_connection *c) {
	if (c->state == REEF_POOL_CLOSED || c->tombstones == 0)
		return false;
	if (!c->pinned && c->tombstones <= c->pool->options.tombstones)
		return false;
	reef_pool_connection_close(c, REEF_POOL_CODE_TIMEOUT,
							   c->pinned || c->pool->options.tombstones == 0 ? "nobody waits for the reply any more"
																			 : "too many requests without a reply");
	return true;
}

void reef_pool_connection_bury(struct reef_pool_connection *c, struct reef_pool_node *node) {
	if (reef_pool_is_tombstone(node))
		return;
	node->source = 0;
	node->task = NULL;
	c->tombstones++;
}

/* ---- input ---- */

/* The oldest request has all its replies. */
static void answered(struct reef_pool_connection *c, const char *bytes, size_t n) {
	struct reef_pool *pool = c->pool;
	struct reef_pool_node *node = reef_pool_list_pop(&c->flying);
	const struct reef_pool_node *next = c->flying.head;
	pool->flying--;
	/* With thousands of callers, each is far from the cache. */
	if (next) {
		reef_send_soon(next->source);
		__builtin_prefetch(next->next);
	}
	if (node->kind == REEF_POOL_REQUEST) {
		pool->counters.replies++;
		pool->counters.rejected += c->frames.error;
	}
	reef_pool_leave_lane(pool, node);
	if (node->kind == REEF_POOL_PROBE) {
		bool clean = pool->protocol->is_clean(bytes, n);
		reef_pool_node_free(pool, node);
		if (!clean)
			reef_pool_connection_close(c, REEF_POOL_CODE_CLOSED, "it was given back in the middle of a transaction");
	} else if (reef_pool_is_tombstone(node)) {
		c->tombstones--;
		pool->counters.late++;
		reef_pool_node_free(pool, node);
	} else {
		uint64_t took = reef_pool_now(pool) - node->since_ns;
		reef_histogram_add(&pool->total, took);
		if (pool->options.slow_ns && took > pool->options.slow_ns)
			pool->counters.slow++;
		reef_pool_reply(pool, node, bytes, n);
	}
}

static char *room(void *ud, int id, size_t *n) {
	struct reef_pool_connection *c = ud;
	(void)id;
	size_t wanted = INPUT / 2;
	/* Believe an announced length step by step: a peer has to send as much as it makes us allocate. */
	if (c->frames.need > c->in_size)
		wanted = c->frames.need - c->in_size;
	if (wanted > INPUT / 2 && wanted > c->in_size)
		wanted = c->in_size > INPUT / 2 ? c->in_size : INPUT / 2;
	if (c->in_capacity - c->in_size < wanted) {
		size_t capacity = c->in_capacity ? c->in_capacity : INPUT;
		while (capacity - c->in_size < wanted)
			capacity *= 2;
		char *in = reef_try_realloc(c->in, capacity);
		if (in == NULL) {
			/* Somewhere to read to; the connection ends with that. */
			c->starved = true;
			*n = sizeof(c->lost);
			return c->lost;
		}
		c->in = in;
		c->in_capacity = capacity;
	}
	*n = c->in_capacity - c->in_size;
	return c->in + c->in_size;
}

static void drop_input(struct reef_pool_connection *c, size_t used) {
	c->in_size -= used;
	if (c->in_size > 0)
		memmove(c->in, c->in + used, c->in_size);
	else if (c->in_capacity > 4 * INPUT) {
		reef_free(c->in);
		c->in = NULL;
		c->in_capacity = 0;
	}
}

static void idle_now(struct reef_pool_connection *c) {
	struct reef_pool *pool = c->pool;
	if (c->state == REEF_POOL_DRAINING)
		reef_pool_connection_close(c, REEF_POOL_CODE_CLOSED, "it was retired");
	else if (c->pinned)
		reef_pool_pinned_idle(pool, c);
	reef_pool_check_idle(pool);
}

/* Answers are cut off the front; what is left is moved once. False: the connection is not what it was. */
static bool cut(struct reef_pool_connection *c) {
	struct reef_pool *pool = c->pool;
	unsigned incarnation = c->incarnation;
	const char *start = c->in;
	size_t left = c->in_size;
	enum reef_frame found = REEF_FRAME_INCOMPLETE;
	char text[TEXT];
	while (left > 0) {
		size_t used;
		if (c->frames.stream) {
			used = reef_pool_stream_deliver(c, start, left, &found);
			start += used;
			left -= used;
			break;
		}
		found = pool->protocol->scan(&c->frames, start, left);
		if (found != REEF_FRAME_COMPLETE)
			break;
		used = c->frames.at;
		if (c->flying.head)
			answered(c, start, used);
		if (c->incarnation != incarnation)
			return false;
		start += used;
		left -= used;
		pool->protocol->begin(&c->frames, c->flying.head ? c->flying.head->expect : 0);
	}
	drop_input(c, c->in_size - left);
	if (found != REEF_FRAME_BAD)
		return true;
	/* "-ERR max number of clients reached" and the like come unasked. */
	if (c->flying.head == NULL && left > 1 && c->in[0] == '-')
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(c->in + 1, "\r\n") % TEXT, c->in + 1);
	else
		snprintf(text, sizeof(text), "%s", c->frames.why);
	reef_pool_connection_close(c, REEF_POOL_CODE_PROTOCOL, text);
	return false;
}

void reef_pool_connection_consume(struct reef_pool_connection *c) {
	struct reef_pool *pool = c->pool;
	c->references++;
	if (cut(c) && c->flying.head == NULL && !c->frames.stream)
		idle_now(c);
	if (c->pool)
		reef_pool_advance(pool);
	unref(c);
}

static void data(void *ud, int id, const char *bytes, size_t n) {
	struct reef_pool_connection *c = ud;
	(void)id, (void)bytes;
	if (c->starved) {
		reef_pool_connection_close(c, REEF_POOL_CODE_PROTOCOL, "not enough memory for a reply");
		return;
	}
	c->in_size += n;
	c->bytes_in += n;
	c->pool->counters.bytes_in += n;
	c->heard_ns = reef_pool_now(c->pool);
	reef_pool_connection_consume(c);
}

/* ---- what else the socket says ---- */

static void opened(void *ud, int id, const char *peer) {
	struct reef_pool_connection *c = ud;
	struct reef_task *task = c->opener;
	(void)id, (void)peer;
	c->state = REEF_POOL_LOGIN;
	c->opened_ns = c->used_ns = c->heard_ns = reef_pool_now(c->pool);
	c->pool->counters.connects++;
	c->opener = NULL;
	if (task) {
		lua_pushboolean(reef_task_thread(task), true);
		reef_task_wake(task, 1);
	}
}

static void closed(void *ud, int id) {
	(void)id;
	reef_pool_connection_close(ud, REEF_POOL_CODE_CLOSED, "the server closed the connection");
}

static void failed(void *ud, int id, int error, const char *text) {
	(void)id, (void)error;
	reef_pool_connection_close(ud, REEF_POOL_CODE_CLOSED, text);
}

static const struct reef_sink sink = {
		.opened = opened,
		.data = data,
		.room = room,
		.closed = closed,
		.failed = failed,
};

const char *reef_pool_connection_connect(struct reef_pool_connection *c, struct reef_task *task, const char *host,
										 int port, uint64_t deadline_ns, const struct reef_tls_target *tls) {
	const char *error = NULL;
	if (c->state != REEF_POOL_CLOSED)
		return "the connection is in use";
	c->socket = reef_socket_open(host, port, deadline_ns, &sink, c, &error);
	if (c->socket == 0)
		return error;
	if (tls)
		(void)reef_socket_use_tls(c->socket, tls, NULL, 0);
	c->state = REEF_POOL_CONNECTING;
	c->starved = false;
	c->incarnation++;
	c->gathered = 0;
	c->out_size = c->in_size = 0;
	c->pool->protocol->begin(&c->frames, 0);
	c->opener = task;
	return NULL;
}
