/* What all files of a pool need: nodes, answers, the time, and what the Lua half is told. See state.h. */
#include "state.h"
#include "core/clock.h"
#include "core/send.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/service.h"

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

void reef_pool_turn_over(struct reef_deferred *deferred) {
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
