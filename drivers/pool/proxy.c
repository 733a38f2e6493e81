/* The pool itself: requests in, answers out, deadlines. See proxy.h. */
#include "proxy.h"

#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "core/alloc.h"
#include "core/host/dispatch.h"
#include "core/service.h"
#include "lane.h"
#include "pin.h"
#include "queue.h"
#include "stream.h"
#include "will.h"

/* Deadlines are looked at no more often than this: many requests that are due one after the other are found at once. */
#define GRAIN_NS 5000000u

/* ---- time ---- */

static bool is_late(const struct reef_pool_node *node, void *ud) {
	return node->queue_deadline_ns <= *(uint64_t *)ud;
}

static void too_late(struct reef_pool *pool, struct reef_pool_node *node, void *ud) {
	char why[100 + sizeof(pool->down_why)];
	bool pinned = node->kind == REEF_POOL_PIN;
	(void)ud;
	pool->counters.overload++;
	snprintf(why, sizeof(why),
			 pinned ? "no connection of its own became free in time; %zu requests waiting%s%s"
					: "no room on a connection in time; %zu requests waiting%s%s",
			 pool->waiting + pool->wanting.count, pool->down_why[0] ? "; " : "", pool->down_why);
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
		reef_pool_fail(pool, reef_pool_connection_unlisten(c), REEF_POOL_CODE_TIMEOUT, false,
					   "nothing has come in time");
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
		copy->in_lane = false;
		pool->counters.timeouts++;
		reef_pool_connection_bury(c, node);
		/* What has not left yet may still leave: it is not taken back. */
		reef_pool_fail(pool, copy, REEF_POOL_CODE_TIMEOUT, true, "no reply in time");
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

static void proxy_refuse(struct reef_pool *pool, struct reef_pool_node *node) {
	char why[100];
	snprintf(why, sizeof(why), "the queue is full: %zu requests waiting, %zu bytes",
			 pool->waiting + pool->wanting.count, pool->waiting_bytes);
	pool->counters.overload++;
	reef_pool_fail(pool, node, REEF_POOL_CODE_OVERLOAD, false, why);
}

/* The bytes have to outlive the message. False: no memory. */
static bool proxy_keep(struct reef_pool_node *node, const char *bytes, size_t n) {
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
	struct reef_pool_connection *c = pool->turn ? NULL : reef_pool_enter_lane(pool, node);
	if (c) {
		if (reef_pool_connection_send(c, node, bytes, n))
			return;
		reef_pool_leave_lane(pool, node);
		reef_pool_fail(pool, node, REEF_POOL_CODE_OVERLOAD, false, "not enough memory");
	} else if (!proxy_keep(node, bytes, n) || !reef_pool_enqueue(pool, node)) {
		proxy_refuse(pool, node);
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
		proxy_refuse(pool, node);
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

static void proxy_drop(struct reef_pool *pool, struct reef_pool_node *node, void *ud) {
	(void)ud;
	pool->counters.cancelled++;
	reef_pool_node_free(pool, node);
}

static void forget(struct reef_pool *pool, struct asker asker) {
	reef_pool_sift(pool, is_asker, proxy_drop, &asker);
	for (struct reef_pool_connection *c = pool->connections; c; c = c->next) {
		for (struct reef_pool_node *node = c->flying.head; node; node = node->next) {
			if (node->source && is_asker(node, &asker)) {
				pool->counters.cancelled++;
				reef_pool_connection_bury(c, node);
			}
		}
		if (c->listener && is_asker(c->listener, &asker))
			proxy_drop(pool, reef_pool_connection_unlisten(c), NULL);
		/* Also what was given to him while he took back his wish. */
		if (!reef_pool_connection_check(c) && c->holder == asker.source &&
			(asker.session == 0 || asker.session == c->asked))
			reef_pool_unpin(pool, c, asker.session != 0);
	}
}

static bool proxy_take(void *ud, struct reef_message *m) {
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

static bool is_any(const struct reef_pool_node *node, void *ud) {
	(void)node, (void)ud;
	return true;
}

static void refuse_down(struct reef_pool *pool, struct reef_pool_node *node, void *ud) {
	(void)ud;
	pool->counters.refused++;
	reef_pool_fail(pool, node, pool->down_code, false, pool->down_why);
}

void reef_pool_set_why(struct reef_pool *pool, const char *why) {
	snprintf(pool->down_why, sizeof(pool->down_why), "%s", why ? why : "");
}

void reef_pool_set_down(struct reef_pool *pool, uint8_t code, const char *why) {
	pool->down = why != NULL;
	reef_pool_set_why(pool, why);
	if (why == NULL)
		return;
	pool->down_code = code;
	reef_pool_sift(pool, is_any, refuse_down, NULL);
}

static void proxy_cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_pool *pool = (struct reef_pool *)((char *)wait - offsetof(struct reef_pool, wait));
	if (pool->watcher == task)
		pool->watcher = NULL;
}

static const struct reef_pool_hooks pool_hooks = {reef_pool_advance, reef_pool_serve_wanting};

struct reef_pool *reef_pool_new(struct reef_host *host, const struct reef_pool_protocol *protocol,
								const struct reef_pool_options *options) {
	struct reef_pool *pool = reef_calloc(1, sizeof(*pool));
	pool->host = host;
	pool->protocol = protocol;
	pool->options = *options;
	pool->accepting = true;
	pool->turn_tail = &pool->turn;
	pool->turn_over.run = reef_pool_turn_over;
	pool->hooks = &pool_hooks;
	pool->wait.cancel = proxy_cancelled;
	pool->wait.what = "pool";
	reef_pool_list_init(&pool->wanting);
	reef_deadline_init(&pool->deadline, host, something_due, &pool->counters.bytes_in);
	reef_dispatch_intercept(host, proxy_take, pool);
	reef_service_set_lazy(reef_host_service(host), true);
	return pool;
}

void reef_pool_delete(struct reef_pool *pool) {
	reef_pool_set_down(pool, REEF_POOL_CODE_ENDED, "the pool has ended");
	while (pool->connections)
		reef_pool_connection_delete(pool->connections);
	reef_deadline_fini(&pool->deadline);
	reef_pool_queue_fini(pool);
	reef_pool_lanes_fini(pool);
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
