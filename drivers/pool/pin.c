/* Connections that serve one caller at a time. See pin.h.
 *
 * What a caller gives back is looked at before anybody else gets it: a probe must show that nothing of his is left.
 * What a probe cannot show is for the caller to say (REEF_POOL_SPOIL).
 */
#include "pin.h"

#include "connection.h"

static struct reef_pool_connection *find_free(const struct reef_pool *pool) {
	/* The one used last: the others may grow old and be closed. */
	struct reef_pool_connection *best = NULL;
	for (struct reef_pool_connection *c = pool->connections; c; c = c->next) {
		if (c->pinned && c->channel.state == REEF_CHANNEL_OPEN && !c->taken &&
			(best == NULL || c->used_ns > best->used_ns))
			best = c;
	}
	return best;
}

static void pin_give(struct reef_pool *pool, struct reef_pool_connection *c, struct reef_pool_node *node) {
	/* Never 0, and not soon used again. */
	pool->pins = pool->pins == UINT32_MAX ? 1 : pool->pins + 1;
	c->taken = true;
	c->pin = pool->pins;
	c->holder = node->source;
	c->asked = node->session;
	reef_histogram_add(&pool->queued, reef_pool_now(pool) - node->since_ns);
	reef_pool_reply(pool, node, (const char *)&c->pin, sizeof(c->pin));
}

void reef_pool_serve_wanting(struct reef_pool *pool) {
	struct reef_pool_connection *c;
	while (pool->wanting.head && (c = find_free(pool)) != NULL)
		pin_give(pool, c, reef_pool_list_pop(&pool->wanting));
	if (pool->wanting.head)
		reef_pool_notify(pool, REEF_POOL_WANT_PINNED);
}

bool reef_pool_want(struct reef_pool *pool, struct reef_pool_node *node) {
	if (pool->waiting + pool->wanting.count >= pool->options.queue)
		return false;
	reef_pool_list_push(&pool->wanting, node);
	reef_deadline_arm(&pool->deadline, node->queue_deadline_ns);
	reef_pool_serve_wanting(pool);
	return true;
}

struct reef_pool_connection *reef_pool_find_pin(struct reef_pool *pool, uint32_t pin, uint32_t source) {
	for (struct reef_pool_connection *c = pool->connections; c; c = c->next) {
		if (c->pinned && c->taken && !c->checking && c->holder == source && c->pin == pin)
			return c;
	}
	return NULL;
}

void reef_pool_unpin(struct reef_pool *pool, struct reef_pool_connection *c, bool clean) {
	c->holder = 0;
	if (!clean || c->flying.head || c->frames.stream) {
		reef_pool_connection_close(c, REEF_CHANNEL_GIVEN_UP, "it was given back in an unknown state");
		return;
	}
	struct reef_pool_node *node = reef_pool_node_new(pool);
	node->since_ns = reef_pool_now(pool);
	node->deadline_ns = node->since_ns + pool->options.queue_ns;
	node->expect = 1;
	node->kind = REEF_POOL_PROBE;
	c->checking = true;
	if (!reef_pool_connection_send(c, node, pool->protocol->probe, pool->protocol->probe_size)) {
		reef_pool_node_free(pool, node);
		reef_pool_connection_close(c, REEF_CHANNEL_GIVEN_UP, "not enough memory");
	}
}
