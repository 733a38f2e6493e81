/* Lanes: requests that have to keep their order travel on one connection while any of them is on its way. See
 * lane.h, which also says how a connection is chosen. */
#include "lane.h"

#include "core/alloc.h"

#define BATCH 128 /* requests of one slice that go to the same connection before another is chosen */

/* Exists while something travels on it. */
struct reef_pool_lane {
	struct reef_pool_lane *bucket_next;
	uint64_t order;
	struct reef_pool_connection *connection;
	size_t flying;
};

static size_t lane_bucket(uint64_t number, size_t size) {
	return (size_t)((number * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (size - 1);
}

static struct reef_pool_lane *find_lane(const struct reef_pool *pool, uint64_t order) {
	if (pool->lanes_count == 0)
		return NULL;
	struct reef_pool_lane *lane = pool->lanes[lane_bucket(order, pool->lanes_size)];
	while (lane && lane->order != order)
		lane = lane->bucket_next;
	return lane;
}

static void grow_lanes(struct reef_pool *pool) {
	size_t size = pool->lanes_size ? pool->lanes_size * 2 : 256;
	struct reef_pool_lane **lanes = reef_calloc(size, sizeof(struct reef_pool_lane *));
	for (size_t i = 0; i < pool->lanes_size; i++) {
		for (struct reef_pool_lane *lane = pool->lanes[i], *next; lane; lane = next) {
			next = lane->bucket_next;
			struct reef_pool_lane **bucket = &lanes[lane_bucket(lane->order, size)];
			lane->bucket_next = *bucket;
			*bucket = lane;
		}
	}
	reef_free(pool->lanes);
	pool->lanes = lanes;
	pool->lanes_size = size;
}

void reef_pool_enter_lane(struct reef_pool *pool, struct reef_pool_node *node, struct reef_pool_connection *c) {
	node->lane = NULL;
	if (node->order == 0)
		return;
	struct reef_pool_lane *lane = find_lane(pool, node->order);
	if (lane == NULL) {
		if (pool->lanes_count >= pool->lanes_size)
			grow_lanes(pool);
		lane = pool->spare_lanes;
		if (lane)
			pool->spare_lanes = lane->bucket_next;
		else
			lane = reef_malloc(sizeof(*lane));
		struct reef_pool_lane **bucket = &pool->lanes[lane_bucket(node->order, pool->lanes_size)];
		*lane = (struct reef_pool_lane){.bucket_next = *bucket, .order = node->order, .connection = c};
		*bucket = lane;
		pool->lanes_count++;
	}
	lane->flying++;
	node->lane = lane;
}

void reef_pool_leave_lane(struct reef_pool *pool, struct reef_pool_node *node) {
	struct reef_pool_lane *lane = node->lane;
	node->lane = NULL;
	if (lane == NULL || --lane->flying > 0)
		return;
	struct reef_pool_lane **link = &pool->lanes[lane_bucket(lane->order, pool->lanes_size)];
	while (*link != lane)
		link = &(*link)->bucket_next;
	*link = lane->bucket_next;
	lane->bucket_next = pool->spare_lanes;
	pool->spare_lanes = lane;
	pool->lanes_count--;
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
	struct reef_pool_lane *lane = order ? find_lane(pool, order) : NULL;
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
		pool->spare_lanes = lane->bucket_next;
		reef_free(lane);
	}
	reef_free(pool->lanes);
}
