/* Lanes: requests that have to keep their order travel on one connection while any of them is on its way. See
 * lane.h, which also says how a connection is chosen. */
#include "lane.h"

#include "core/alloc.h"

#define BATCH 128 /* requests of one slice that go to the same connection before another is chosen */

/* Exists while something travels on it. */
struct reef_pool_lane {
	struct reef_pool_lane *next; /* among the spare ones */
	uint64_t order;
	struct reef_pool_connection *connection;
	size_t flying;
};

static const void *key_of_lane(uint64_t order) {
	return (const void *)(uintptr_t)order;
}

static struct reef_pool_lane *add_lane(struct reef_pool *pool, uint64_t order, struct reef_pool_connection *c) {
	struct reef_pool_lane *lane = pool->spare_lanes;
	if (lane)
		pool->spare_lanes = lane->next;
	else
		lane = reef_malloc(sizeof(*lane));
	*lane = (struct reef_pool_lane){.order = order, .connection = c};
	/* Without it the order would be lost. */
	if (!reef_ptrmap_put(&pool->lanes, key_of_lane(order), lane))
		reef_alloc_give_up(sizeof(struct reef_ptrpair) * pool->lanes.capacity * 2);
	return lane;
}

void reef_pool_enter_lane(struct reef_pool *pool, struct reef_pool_node *node, struct reef_pool_connection *c) {
	node->lane = NULL;
	if (node->order == 0)
		return;
	struct reef_pool_lane *lane = reef_ptrmap_get(&pool->lanes, key_of_lane(node->order));
	if (lane == NULL)
		lane = add_lane(pool, node->order, c);
	lane->flying++;
	node->lane = lane;
}

void reef_pool_leave_lane(struct reef_pool *pool, struct reef_pool_node *node) {
	struct reef_pool_lane *lane = node->lane;
	node->lane = NULL;
	if (lane == NULL || --lane->flying > 0)
		return;
	reef_ptrmap_remove(&pool->lanes, key_of_lane(lane->order));
	lane->next = pool->spare_lanes;
	pool->spare_lanes = lane;
}

/* ---- connections ---- */

static struct reef_pool_connection *least_busy(const struct reef_pool *pool) {
	struct reef_pool_connection *best = NULL;
	for (struct reef_pool_connection *c = pool->connections; c; c = c->next) {
		if (!c->pinned && (best == NULL || c->flying.count < best->flying.count) && reef_pool_has_room(pool, c))
			best = c;
		if (best && best->flying.count == 0)
			break;
	}
	return best;
}

struct reef_pool_connection *reef_pool_choose(struct reef_pool *pool, uint64_t order) {
	struct reef_pool_lane *lane = order ? reef_ptrmap_get(&pool->lanes, key_of_lane(order)) : NULL;
	if (lane)
		return reef_pool_has_room(pool, lane->connection) ? lane->connection : NULL;
	struct reef_pool_connection *c = pool->batching;
	if (c == NULL || c->batch >= BATCH || !reef_pool_has_room(pool, c))
		pool->batching = c = least_busy(pool);
	return c;
}

void reef_pool_lanes_fini(struct reef_pool *pool) {
	while (pool->spare_lanes) {
		struct reef_pool_lane *lane = pool->spare_lanes;
		pool->spare_lanes = lane->next;
		reef_free(lane);
	}
	reef_ptrmap_fini(&pool->lanes);
}
