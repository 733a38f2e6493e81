/* The pool itself: requests in, answers out, deadlines. See proxy.h. */
#include "proxy.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/send.h"
#include "core/service.h"
#include "core/slice.h"

/* Deadlines are looked at no more often than this: many requests that are due one after the other are found at once. */
#define GRAIN_NS 5000000u
#define LARGE (1 << 20) /* bytes of a reply whose memory may well be refused */

/* ---- nodes ---- */

struct reef_pool_node *reef_pool_node_new(struct reef_pool *pool) {
	struct reef_pool_node *node = pool->spare_nodes;
	if (node)
		pool->spare_nodes = node->next;
	else
		node = reef_malloc(sizeof(*node));
	*node = (struct reef_pool_node){.deadline_ns = REEF_NO_DEADLINE, .queue_deadline_ns = REEF_NO_DEADLINE};
	return node;
}

void reef_pool_node_free(struct reef_pool *pool, struct reef_pool_node *node) {
	reef_free(node->bytes);
	node->next = pool->spare_nodes;
	pool->spare_nodes = node;
}

/* ---- answers ---- */

static void send_answer(struct reef_pool *pool, const struct reef_pool_node *node, int type, struct reef_message *m) {
	m->type = (uint8_t)type;
	m->session = node->session;
	m->source = reef_service_handle(reef_host_service(pool->host));
	(void)reef_send(node->source, m);
}

/* What a server sends must not end the process when it is too large. */
static struct reef_message *new_message(size_t n) {
	if (n <= LARGE)
		return reef_message_new(n);
	void *block = reef_try_malloc(n);
	return block ? reef_message_wrap(block, n) : NULL;
}

void reef_pool_reply(struct reef_pool *pool, struct reef_pool_node *node, const char *bytes, size_t n) {
	if (node->task) {
		lua_pushlstring(reef_task_thread(node->task), bytes, n);
		reef_task_wake(node->task, 1);
		pool->woke = true;
	} else if (node->source) {
		struct reef_message *m = new_message(n);
		if (m == NULL) {
			reef_pool_fail(pool, node, REEF_POOL_CODE_PROTOCOL, true, "not enough memory for the reply");
			return;
		}
		memcpy(m->data, bytes, n);
		send_answer(pool, node, REEF_PTYPE_RESPONSE, m);
	}
	reef_pool_node_free(pool, node);
}

void reef_pool_reply_block(struct reef_pool *pool, struct reef_pool_node *node, char *block, size_t n) {
	send_answer(pool, node, REEF_PTYPE_RESPONSE, reef_message_wrap(block, n));
	reef_pool_node_free(pool, node);
}

void reef_pool_fail(struct reef_pool *pool, struct reef_pool_node *node, uint8_t code, bool sent, const char *why) {
	if (node->task) {
		lua_pushnil(reef_task_thread(node->task));
		lua_pushstring(reef_task_thread(node->task), why);
		reef_task_wake(node->task, 2);
		pool->woke = true;
	} else if (node->source) {
		struct reef_message *m = reef_message_new(sizeof(struct reef_pool_failure));
		struct reef_pool_failure *failure = m->data;
		uint64_t now = reef_now_ns();
		*failure = (struct reef_pool_failure){
				.mark = REEF_POOL_FAILURE_MARK,
				.code = code,
				.sent = sent,
				.in_flight = (uint32_t)pool->flying,
				.queued = (uint32_t)(pool->waiting + pool->wanting.count),
				.waited_ns = now > node->since_ns ? now - node->since_ns : 0,
		};
		snprintf(failure->why, sizeof(failure->why), "%s", why);
		send_answer(pool, node, REEF_PTYPE_ERROR, m);
	}
	reef_pool_node_free(pool, node);
}

/* ---- time ---- */

static void turn_over(struct reef_deferred *deferred) {
	struct reef_pool *pool = (struct reef_pool *)((char *)deferred - offsetof(struct reef_pool, turn_over));
	pool->in_turn = false;
	if (pool->host == NULL)
		reef_free(pool);
}

uint64_t reef_pool_now(struct reef_pool *pool) {
	if (!pool->in_turn) {
		pool->now_ns = reef_now_ns();
		pool->in_turn = reef_slice_defer(&pool->turn_over);
	}
	return pool->now_ns;
}

static bool is_late(const struct reef_pool_node *node, void *ud) {
	return node->queue_deadline_ns <= *(uint64_t *)ud;
}

static void too_late(struct reef_pool *pool, struct reef_pool_node *node, void *ud) {
	char why[100];
	bool pinned = node->kind == REEF_POOL_PIN;
	(void)ud;
	pool->counters.overload++;
	snprintf(why, sizeof(why),
			 pinned ? "no connection of its own became free in time; %zu requests waiting"
					: "no room on a connection in time; %zu requests waiting",
			 pool->waiting + pool->wanting.count);
	reef_pool_fail(pool, node, pool->down ? pool->down_code : REEF_POOL_CODE_OVERLOAD, false, why);
}

static void nearer(uint64_t *nearest, uint64_t deadline_ns) {
	if (deadline_ns < *nearest)
		*nearest = deadline_ns;
}

/* Gives up what was due on that connection at that time. */
static void expire(struct reef_pool *pool, struct reef_pool_connection *c, uint64_t until_ns, uint64_t *nearest) {
	uint64_t newest_ns = 0, now = reef_pool_now(pool);
	if (c->listener && c->listener->deadline_ns <= until_ns)
		reef_pool_fail(pool, reef_pool_stream_leave(c), REEF_POOL_CODE_TIMEOUT, false, "nothing has come in time");
	else if (c->listener)
		nearer(nearest, c->listener->deadline_ns);
	for (struct reef_pool_node *node = c->flying.head; node; node = node->next) {
		if (reef_pool_is_tombstone(node))
			continue;
		if (node->deadline_ns > until_ns) {
			nearer(nearest, node->deadline_ns);
			continue;
		}
		if (node->kind == REEF_POOL_PROBE) {
			reef_pool_connection_close(c, REEF_CHANNEL_SILENT, "no reply to a probe");
			return;
		}
		if (node->since_ns > newest_ns)
			newest_ns = node->since_ns;
		/* Its place in the order stays; who waited gets a copy. */
		struct reef_pool_node *copy = reef_pool_node_new(pool);
		*copy = *node;
		copy->lane = NULL;
		pool->counters.timeouts++;
		bool sent = reef_pool_connection_sent(c, node);
		reef_pool_connection_bury(c, node);
		reef_pool_fail(pool, copy, REEF_POOL_CODE_TIMEOUT, sent, "no reply in time");
	}
	const struct reef_pool_node *oldest = c->flying.head;
	if (reef_pool_connection_check(c) || (newest_ns > 0 && reef_channel_missed(&c->channel, newest_ns)))
		return;
	if (oldest && pool->options.stall_ns && now > c->channel.heard_ns + pool->options.stall_ns &&
		now > oldest->since_ns + pool->options.stall_ns && until_ns > 0)
		reef_pool_connection_close(c, REEF_CHANNEL_SILENT, "the server has sent nothing for too long");
}

static bool note_deadline(const struct reef_pool_node *node, void *ud) {
	nearer(ud, node->queue_deadline_ns);
	return false;
}

static uint64_t something_due(struct reef_deadline *deadline, uint64_t until_ns) {
	struct reef_pool *pool = (struct reef_pool *)((char *)deadline - offsetof(struct reef_pool, deadline));
	uint64_t nearest = REEF_NO_DEADLINE;
	if (until_ns > 0)
		reef_pool_sift(pool, is_late, too_late, &until_ns);
	reef_pool_sift(pool, note_deadline, NULL, &nearest);
	for (struct reef_pool_connection *c = pool->connections; c; c = c->next)
		expire(pool, c, until_ns, &nearest);
	reef_pool_advance(pool);
	uint64_t soonest = reef_pool_now(pool) + GRAIN_NS;
	return until_ns > 0 && nearest < soonest ? soonest : nearest;
}

/* ---- requests ---- */

static void refuse(struct reef_pool *pool, struct reef_pool_node *node) {
	char why[100];
	snprintf(why, sizeof(why), "the queue is full: %zu requests waiting, %zu bytes",
			 pool->waiting + pool->wanting.count, pool->waiting_bytes);
	pool->counters.overload++;
	reef_pool_fail(pool, node, REEF_POOL_CODE_OVERLOAD, false, why);
}

/* The bytes have to outlive the message. False: no memory. */
static bool keep(struct reef_pool_node *node, const char *bytes, size_t n) {
	node->bytes = reef_try_malloc(n ? n : 1);
	node->size = n;
	if (node->bytes)
		memcpy(node->bytes, bytes, n);
	return node->bytes != NULL;
}

static void on_pinned(struct reef_pool *pool, struct reef_pool_node *node, uint32_t pin, const char *bytes, size_t n) {
	struct reef_pool_connection *c = reef_pool_find_pin(pool, pin, node->source);
	if (c == NULL)
		reef_pool_fail(pool, node, REEF_POOL_CODE_CLOSED, false,
					   node->kind == REEF_POOL_LISTEN
							   ? "the connection was lost"
							   : "the connection of this transaction was lost; nothing of it is applied");
	else if (node->kind == REEF_POOL_LISTEN)
		reef_pool_stream_listen(c, node);
	else if (reef_channel_is_full(&c->channel))
		reef_pool_fail(pool, node, REEF_POOL_CODE_OVERLOAD, false, "too many bytes wait to be sent");
	else if (!reef_pool_connection_send(c, node, bytes, n))
		reef_pool_fail(pool, node, REEF_POOL_CODE_OVERLOAD, false, "not enough memory");
}

static void on_shared(struct reef_pool *pool, struct reef_pool_node *node, const char *bytes, size_t n) {
	/* Who waits goes first. */
	struct reef_pool_connection *c = pool->turn ? NULL : reef_pool_choose(pool, node->order);
	if (c) {
		reef_pool_enter_lane(pool, node, c);
		if (reef_pool_connection_send(c, node, bytes, n))
			return;
		reef_pool_leave_lane(pool, node);
		reef_pool_fail(pool, node, REEF_POOL_CODE_OVERLOAD, false, "not enough memory");
	} else if (!keep(node, bytes, n) || !reef_pool_enqueue(pool, node)) {
		refuse(pool, node);
	} else {
		reef_pool_notify(pool, REEF_POOL_WANT_SHARED);
	}
}

static void on_request(struct reef_pool *pool, const struct reef_message *m, const struct reef_pool_request *request) {
	const char *bytes = (const char *)m->data + sizeof(*request);
	size_t n = m->size - sizeof(*request);
	struct reef_pool_node *node = reef_pool_node_new(pool);
	node->source = m->source;
	node->session = m->session;
	node->since_ns = reef_pool_now(pool);
	node->deadline_ns = request->deadline_ns;
	node->queue_deadline_ns = node->since_ns + pool->options.queue_ns;
	if (node->deadline_ns < node->queue_deadline_ns)
		node->queue_deadline_ns = node->deadline_ns;
	node->expect = request->expect;
	node->kind = request->kind;
	pool->counters.requests += request->kind != REEF_POOL_LISTEN;
	if (request->pin) {
		on_pinned(pool, node, request->pin, bytes, n);
	} else if (!pool->accepting) {
		pool->counters.refused++;
		reef_pool_fail(pool, node, REEF_POOL_CODE_ENDED, false, "the pool takes no requests any more");
	} else if (pool->down) {
		pool->counters.refused++;
		reef_pool_fail(pool, node, pool->down_code, false, pool->down_why);
	} else if (request->kind == REEF_POOL_REQUEST || request->kind == REEF_POOL_POST) {
		if (pool->options.routing == REEF_POOL_BY_CALLER)
			node->order = m->source;
		else if (pool->options.routing == REEF_POOL_BY_KEY)
			node->order = request->order;
		on_shared(pool, node, bytes, n);
	} else if (!reef_pool_want(pool, node)) {
		refuse(pool, node);
	}
}

/* ---- those who do not wait any more ---- */

struct asker {
	uint32_t source;
	int32_t session; /* 0: all of them */
};

static bool is_asker(const struct reef_pool_node *node, void *ud) {
	const struct asker *asker = ud;
	return node->source == asker->source && (asker->session == 0 || node->session == asker->session);
}

static void drop(struct reef_pool *pool, struct reef_pool_node *node, void *ud) {
	(void)ud;
	pool->counters.cancelled++;
	reef_pool_node_free(pool, node);
}

static void forget(struct reef_pool *pool, struct asker asker) {
	reef_pool_sift(pool, is_asker, drop, &asker);
	for (struct reef_pool_connection *c = pool->connections; c; c = c->next) {
		for (struct reef_pool_node *node = c->flying.head; node; node = node->next) {
			if (node->source && is_asker(node, &asker)) {
				pool->counters.cancelled++;
				reef_pool_connection_bury(c, node);
			}
		}
		if (c->listener && is_asker(c->listener, &asker))
			drop(pool, reef_pool_stream_leave(c), NULL);
		/* Also what was given to him while he took back his wish. */
		if (!reef_pool_connection_check(c) && c->holder == asker.source &&
			(asker.session == 0 || asker.session == c->asked))
			reef_pool_unpin(pool, c, asker.session != 0);
	}
}

static bool take(void *ud, struct reef_message *m) {
	struct reef_pool *pool = ud;
	if (m->type == REEF_PTYPE_ERROR && m->session == 0) {
		forget(pool, (struct asker){m->source, 0});
		reef_pool_execute_wills(pool, m->source);
		return false;
	}
	if (m->type != REEF_POOL_PTYPE || m->size < sizeof(struct reef_pool_request))
		return false;
	const struct reef_pool_request *request = m->data;
	struct reef_pool_connection *c;
	switch (request->kind) {
	case REEF_POOL_UNPIN:
	case REEF_POOL_SPOIL:
		c = reef_pool_find_pin(pool, request->pin, m->source);
		if (c)
			reef_pool_unpin(pool, c, request->kind == REEF_POOL_UNPIN);
		break;
	case REEF_POOL_SAY:
		c = reef_pool_find_pin(pool, request->pin, m->source);
		if (c)
			reef_pool_stream_say(c, (const char *)m->data + sizeof(*request), m->size - sizeof(*request));
		break;
	case REEF_POOL_CANCEL:
		forget(pool, (struct asker){m->source, request->session});
		break;
	case REEF_POOL_WILL:
		reef_pool_leave_will(pool, m->source, request, (const char *)m->data + sizeof(*request),
							 m->size - sizeof(*request));
		break;
	case REEF_POOL_REVOKE:
		reef_pool_revoke_will(pool, m->source, request->session);
		break;
	default:
		on_request(pool, m, request);
	}
	if (pool->woke) {
		pool->woke = false;
		reef_service_turn_end(reef_host_service(pool->host));
	}
	return true;
}

/* ---- the Lua half ---- */

void reef_pool_notify(struct reef_pool *pool, int events) {
	pool->events |= events;
	struct reef_task *task = pool->watcher;
	if (task == NULL || (pool->events & pool->interest) == 0)
		return;
	pool->watcher = NULL;
	lua_pushinteger(reef_task_thread(task), pool->events);
	pool->events = 0;
	reef_task_wake(task, 1);
	pool->woke = true;
}

void reef_pool_check_idle(struct reef_pool *pool) {
	bool idle = pool->flying == 0 && pool->waiting == 0 && pool->wanting.count == 0;
	if ((pool->interest & REEF_POOL_IDLE) == 0 || !idle)
		return;
	for (const struct reef_pool_connection *c = pool->connections; c; c = c->next)
		idle = idle && (!c->taken || c->frames.stream);
	if (idle)
		reef_pool_notify(pool, REEF_POOL_IDLE);
}

void reef_pool_accept(struct reef_pool *pool, bool accept) {
	pool->accepting = accept;
}

static bool is_any(const struct reef_pool_node *node, void *ud) {
	(void)node, (void)ud;
	return true;
}

static void refuse_down(struct reef_pool *pool, struct reef_pool_node *node, void *ud) {
	(void)ud;
	pool->counters.refused++;
	reef_pool_fail(pool, node, pool->down_code, false, pool->down_why);
}

void reef_pool_set_down(struct reef_pool *pool, uint8_t code, const char *why) {
	pool->down = why != NULL;
	if (why == NULL)
		return;
	pool->down_code = code;
	snprintf(pool->down_why, sizeof(pool->down_why), "%s", why);
	reef_pool_sift(pool, is_any, refuse_down, NULL);
}

static void cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_pool *pool = (struct reef_pool *)((char *)wait - offsetof(struct reef_pool, wait));
	if (pool->watcher == task)
		pool->watcher = NULL;
}

struct reef_pool *reef_pool_new(struct reef_host *host, const struct reef_pool_protocol *protocol,
								const struct reef_pool_options *options) {
	struct reef_pool *pool = reef_calloc(1, sizeof(*pool));
	pool->host = host;
	pool->protocol = protocol;
	pool->options = *options;
	pool->accepting = true;
	pool->turn_tail = &pool->turn;
	pool->turn_over.run = turn_over;
	pool->wait.cancel = cancelled;
	pool->wait.what = "pool";
	reef_pool_list_init(&pool->wanting);
	reef_deadline_init(&pool->deadline, host, something_due, &pool->counters.bytes_in);
	reef_host_intercept(host, take, pool);
	reef_service_set_lazy(reef_host_service(host), true);
	return pool;
}

void reef_pool_delete(struct reef_pool *pool) {
	reef_pool_set_down(pool, REEF_POOL_CODE_ENDED, "the pool has ended");
	while (pool->connections)
		reef_pool_connection_delete(pool->connections);
	reef_deadline_fini(&pool->deadline);
	reef_pool_queue_fini(pool);
	reef_pool_wills_fini(pool);
	while (pool->spare_nodes) {
		struct reef_pool_node *node = pool->spare_nodes;
		pool->spare_nodes = node->next;
		reef_free(node);
	}
	pool->host = NULL;
	if (!pool->in_turn)
		reef_free(pool);
}
