/* One connection of a pool: a channel whose requests are matched to replies by their order. See connection.h. */
#include "connection.h"
#include "core/send.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/prefetch.h"
#include "core/service.h"
#include "lane.h"
#include "socket/socket.h"

#define INPUT (64 * 1024) /* of room to read into, at least half of it */
#define LARGE (1 << 20)   /* bytes of an answer that is handed over instead of being copied */
#define TEXT 160
#define POST_NS UINT64_C(60000000000) /* a reply that nobody waits for has to come within this */

/* ---- output ---- */

static void flushed(struct reef_channel *channel, size_t n) {
	struct reef_pool_connection *c = (struct reef_pool_connection *)channel;
	struct reef_pool *pool = c->pool;
	c->batch = 0;
	if (pool == NULL)
		return;
	if (pool->batching == c)
		pool->batching = NULL;
	/* Requests that found it full may find room now. */
	if (n >= channel->max_unsent && pool->turn)
		reef_deadline_arm(&pool->deadline, reef_pool_now(pool));
}

static void link_warned(struct reef_channel *channel, size_t bytes) {
	if (bytes == 0) {
		struct reef_pool *pool = ((struct reef_pool_connection *)channel)->pool;
		pool->hooks->room(pool);
	}
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
	uint64_t position = c->channel.gathered;
	if (!reef_pool_connection_write(c, bytes, n))
		return false;
	c->requests++;
	c->batch++;
	if (node->kind == REEF_POOL_REQUEST || node->kind == REEF_POOL_POST)
		c->used_ns = reef_pool_now(pool);
	if (node->kind == REEF_POOL_POST)
		answer_post(pool, node);
	node->position = position;
	reef_pool_list_push(&c->flying, node);
	pool->flying++;
	if (node->deadline_ns != REEF_NO_DEADLINE)
		reef_deadline_arm(&pool->deadline, node->deadline_ns);
	return true;
}

/* ---- ends ---- */

/* A coroutine of our Lua half that waits for this connection is ended. */
static void link_cancelled(struct reef_channel *channel, struct reef_task *task) {
	struct reef_pool_connection *c = (struct reef_pool_connection *)channel;
	if (c->mourner == task)
		c->mourner = NULL;
	for (struct reef_pool_node *node = c->flying.head; node; node = node->next) {
		if (node->task == task)
			reef_pool_connection_bury(c, node);
	}
}

static void wake_with_text(struct reef_pool *pool, struct reef_task *task, const char *text) {
	pool->woke = true;
	lua_pushnil(reef_task_thread(task));
	lua_pushstring(reef_task_thread(task), text);
	reef_task_wake(task, 2);
}

static void link_refused(struct reef_channel *channel, struct reef_task *task, enum reef_channel_end end) {
	(void)end;
	wake_with_text(((struct reef_pool_connection *)channel)->pool, task, channel->lost);
}

static void drop_input(struct reef_pool_connection *c, size_t used, size_t most) {
	c->in_size -= used;
	if (c->in_size > 0) {
		memmove(c->in, c->in + used, c->in_size);
	} else if (c->in_capacity > most) {
		reef_free(c->in);
		c->in = NULL;
		c->in_capacity = 0;
	}
}

static void link_ended(struct reef_channel *channel, enum reef_channel_end end, uint64_t sent) {
	static const uint8_t codes[REEF_CHANNEL_ENDS] = {
			[REEF_CHANNEL_GIVEN_UP] = REEF_POOL_CODE_CLOSED, [REEF_CHANNEL_LOST] = REEF_POOL_CODE_CLOSED,
			[REEF_CHANNEL_SILENT] = REEF_POOL_CODE_TIMEOUT,  [REEF_CHANNEL_GARBLED] = REEF_POOL_CODE_PROTOCOL,
			[REEF_CHANNEL_OVER] = REEF_POOL_CODE_ENDED,
	};
	struct reef_pool_connection *c = (struct reef_pool_connection *)channel;
	struct reef_pool *pool = c->pool;
	if (pool->batching == c)
		pool->batching = NULL;
	struct reef_pool_list flying = c->flying;
	reef_pool_list_init(&c->flying);
	c->tombstones = 0;
	c->taken = c->checking = c->paused = c->frames.stream = false;
	c->holder = 0;
	struct reef_pool_node *node = reef_pool_connection_unlisten(c);
	if (node)
		reef_pool_fail(pool, node, codes[end], false, channel->lost);
	node = flying.head;
	while (node) {
		struct reef_pool_node *next = node->next;
		pool->flying--;
		reef_pool_leave_lane(pool, node);
		if (node->source)
			pool->counters.lost++;
		reef_pool_fail(pool, node, codes[end], node->position < sent, channel->lost);
		node = next;
	}
	drop_input(c, c->in_size, INPUT);
	struct reef_task *mourner = c->mourner;
	c->mourner = NULL;
	if (mourner)
		wake_with_text(pool, mourner, channel->lost);
	if (c->pinned)
		pool->hooks->pinned(pool);
	reef_pool_check_idle(pool);
}

static void link_release(struct reef_channel *channel) {
	struct reef_pool_connection *c = (struct reef_pool_connection *)channel;
	reef_free(c->in);
	reef_free(c);
}

bool reef_pool_connection_check(struct reef_pool_connection *c) {
	if (c->channel.state == REEF_CHANNEL_CLOSED || c->tombstones == 0)
		return false;
	if (!c->pinned && c->tombstones <= c->pool->options.tombstones)
		return false;
	reef_pool_connection_close(c, REEF_CHANNEL_SILENT,
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
static void link_answered(struct reef_pool_connection *c, const char *bytes, size_t n) {
	struct reef_pool *pool = c->pool;
	struct reef_pool_node *node = reef_pool_list_pop(&c->flying);
	const struct reef_pool_node *next = c->flying.head;
	pool->flying--;
	/* With thousands of callers, each is far from the cache. */
	if (next) {
		reef_send_soon(next->source);
		reef_pool_leave_lane_soon(pool, next);
		reef_prefetch(next->next);
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
			reef_pool_connection_close(c, REEF_CHANNEL_GIVEN_UP, "it was given back in the middle of a transaction");
	} else if (reef_pool_is_tombstone(node)) {
		c->tombstones--;
		pool->counters.late++;
		reef_pool_node_free(pool, node);
	} else {
		reef_channel_served(&c->channel);
		uint64_t took = reef_pool_now(pool) - node->since_ns;
		reef_histogram_add(&pool->total, took);
		if (pool->options.slow_ns && took > pool->options.slow_ns)
			pool->counters.slow++;
		if (n > LARGE && n == c->in_size && node->source) {
			reef_pool_reply_block(pool, node, c->in, n);
			c->in = NULL;
			c->in_capacity = 0;
		} else {
			reef_pool_reply(pool, node, bytes, n);
		}
	}
}

static char *link_room(struct reef_channel *channel, size_t *n) {
	struct reef_pool_connection *c = (struct reef_pool_connection *)channel;
	size_t wanted = INPUT / 2;
	/* Believe an announced length step by step: a peer has to send as much as it makes us allocate. */
	if (c->frames.need > c->in_size)
		wanted = c->frames.need - c->in_size;
	if (wanted > INPUT / 2 && wanted > c->in_size)
		wanted = c->in_size > INPUT / 2 ? c->in_size : INPUT / 2;
	if (c->in_capacity - c->in_size < wanted) {
		size_t capacity = c->in_size + wanted > INPUT ? c->in_size + wanted : INPUT;
		char *in = reef_try_realloc(c->in, capacity);
		if (in == NULL) {
			/* Somewhere to read to; the connection ends with that. */
			c->starved = true;
			*n = sizeof(channel->lost);
			return channel->lost;
		}
		c->in = in;
		c->in_capacity = capacity;
	}
	*n = c->in_capacity - c->in_size;
	return c->in + c->in_size;
}

static void idle_now(struct reef_pool_connection *c) {
	struct reef_pool *pool = c->pool;
	if (c->channel.state == REEF_CHANNEL_DRAINING) {
		reef_pool_connection_close(c, REEF_CHANNEL_GIVEN_UP, "it was retired");
	} else if (c->pinned && c->holder == 0) {
		c->taken = c->checking = false;
		pool->hooks->pinned(pool);
	}
	reef_pool_check_idle(pool);
}

/* Whose answer comes next? Nobody's, if nobody's request had left when the bytes came. */
static void expect_next(struct reef_pool_connection *c) {
	const struct reef_pool_node *oldest = c->flying.head;
	c->answering = oldest && reef_channel_may_answer(&c->channel, oldest->position);
	c->pool->protocol->begin(&c->frames, c->answering ? oldest->expect : 0);
}

/* Hands out whole replies of a stream, of the n bytes at `start`, if somebody listens; how many bytes those were. `found` is
 * set when the rest is bad. */
static size_t deliver_stream(struct reef_pool_connection *c, const char *start, size_t n, enum reef_frame *found) {
	struct reef_pool *pool = c->pool;
	size_t used = 0;
	*found = REEF_FRAME_INCOMPLETE;
	if (c->listener) {
		while (used < n && (*found = pool->protocol->scan(&c->frames, start + used, n - used)) == REEF_FRAME_COMPLETE) {
			used += c->frames.at;
			pool->protocol->begin(&c->frames, 1);
		}
	}
	if (used > 0) {
		c->used_ns = reef_pool_now(pool);
		reef_pool_reply(pool, reef_pool_connection_unlisten(c), start, used);
	} else if (*found != REEF_FRAME_BAD && n > REEF_POOL_KEPT && c->listener == NULL && !c->paused) {
		c->paused = true;
		reef_socket_pause(c->channel.socket);
	}
	return used;
}

/* Answers are cut off the front; what is left is moved once. False: the connection is not what it was. */
static bool cut(struct reef_pool_connection *c) {
	unsigned incarnation = c->channel.incarnation;
	const char *start = c->in;
	size_t left = c->in_size;
	enum reef_frame found = REEF_FRAME_INCOMPLETE;
	char text[TEXT];
	while (left > 0) {
		size_t used;
		if (c->frames.stream) {
			used = deliver_stream(c, start, left, &found);
			start += used;
			left -= used;
			break;
		}
		if (!c->answering)
			expect_next(c);
		found = c->pool->protocol->scan(&c->frames, start, left);
		if (found != REEF_FRAME_COMPLETE)
			break;
		used = c->frames.at;
		if (c->answering)
			link_answered(c, start, used);
		if (c->channel.incarnation != incarnation)
			return false;
		start += used;
		left -= used;
		expect_next(c);
	}
	drop_input(c, c->in_size - left, 4 * INPUT);
	if (found != REEF_FRAME_BAD)
		return true;
	/* "-ERR max number of clients reached" and the like come unasked. */
	if (!c->answering && left > 1 && c->in[0] == '-')
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(c->in + 1, "\r\n") % TEXT, c->in + 1);
	else
		snprintf(text, sizeof(text), "%s", c->frames.why);
	reef_pool_connection_close(c, REEF_CHANNEL_GARBLED, text);
	return false;
}

void reef_pool_connection_consume(struct reef_pool_connection *c) {
	struct reef_pool *pool = c->pool;
	reef_channel_ref(&c->channel);
	if (cut(c) && c->flying.head == NULL && !c->frames.stream)
		idle_now(c);
	if (c->pool)
		pool->hooks->room(pool);
	reef_channel_unref(&c->channel);
}

static void data(struct reef_channel *channel, const char *bytes, size_t n) {
	struct reef_pool_connection *c = (struct reef_pool_connection *)channel;
	(void)bytes;
	if (c->starved) {
		reef_channel_close(channel, REEF_CHANNEL_GARBLED, "not enough memory for a reply");
		return;
	}
	c->in_size += n;
	c->pool->counters.bytes_in += n;
	channel->heard_ns = reef_pool_now(c->pool);
	reef_pool_connection_consume(c);
}

/* ---- life ---- */

static void link_opened(struct reef_channel *channel) {
	struct reef_pool_connection *c = (struct reef_pool_connection *)channel;
	c->used_ns = channel->opened_ns;
	c->starved = c->answering = false;
	c->pool->counters.connects++;
}

static const struct reef_channel_protocol channel_protocol = {
		.connecting = "pool connection",
		.room = link_room,
		.data = data,
		.opened = link_opened,
		.refused = link_refused,
		.ended = link_ended,
		.cancelled = link_cancelled,
		.flushed = flushed,
		.warned = link_warned,
		.release = link_release,
};

struct reef_pool_connection *reef_pool_connection_new(struct reef_pool *pool, bool pinned) {
	struct reef_pool_connection *c = reef_calloc(1, sizeof(*c));
	reef_channel_init(&c->channel, &channel_protocol);
	c->pool = pool;
	c->pinned = pinned;
	c->number = ++pool->numbers;
	c->channel.wait.what = channel_protocol.connecting;
	reef_pool_connection_configure(c);
	reef_pool_list_init(&c->flying);
	c->next = pool->connections;
	pool->connections = c;
	return c;
}

void reef_pool_connection_configure(struct reef_pool_connection *c) {
	c->frames.limit = c->pool->options.limit;
	c->channel.max_unsent = c->pool->options.unsent;
}

void reef_pool_connection_delete(struct reef_pool_connection *c) {
	struct reef_pool_connection **link = &c->pool->connections;
	reef_pool_connection_close(c, REEF_CHANNEL_OVER, "the pool has ended");
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	c->pool = NULL;
	reef_channel_unref(&c->channel);
}
