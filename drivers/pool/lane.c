/* Lanes: requests that have to keep their order travel on one connection while any of them is on its way. See
 * lane.h, which also says how a connection is chosen.
 *
 * They lie in a table by their orders (open addressing, at most half full), which the pool owns. A lane on which nothing
 * travels stays where it is, since its caller will most likely come again; it means nothing, and others may take its place.
 * All such are dropped when the table is full. */
#include "lane.h"

#include "core/alloc.h"
#include "core/prefetch.h"

#define BATCH 128 /* requests of one slice that go to the same connection before another is chosen */
#define LEAST 64  /* lanes that there is room for */

static size_t home_of_lane(uint64_t order) {
	return (size_t)(order * UINT64_C(0x9E3779B97F4A7C15) >> 24);
}

/* The lane of that order, or the place where it can be: one on which nothing travels, or an empty one. */
static struct reef_pool_lane *find_lane(const struct reef_pool_lanes *lanes, uint64_t order) {
	struct reef_pool_lane *idle = NULL;
	for (size_t i = home_of_lane(order);; i++) {
		struct reef_pool_lane *lane = &lanes->slots[i & (lanes->capacity - 1)];
		if (lane->order == order)
			return lane;
		if (lane->order == 0)
			return idle ? idle : lane;
		if (lane->flying == 0 && idle == NULL)
			idle = lane;
	}
}

/* Makes room, and forgets lanes on which nothing travels. */
static void renew_lanes(struct reef_pool_lanes *lanes) {
	const struct reef_pool_lanes old = *lanes;
	size_t busy = 0;
	for (size_t i = 0; i < old.capacity; i++)
		busy += old.slots[i].flying > 0;
	*lanes = (struct reef_pool_lanes){.capacity = LEAST, .used = busy};
	while (lanes->capacity < 4 * (busy + 1))
		lanes->capacity *= 2;
	lanes->slots = reef_calloc(lanes->capacity, sizeof(*lanes->slots));
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].flying > 0)
			*find_lane(lanes, old.slots[i].order) = old.slots[i];
	}
	reef_free(old.slots);
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

static struct reef_pool_connection *choose_connection(struct reef_pool *pool) {
	struct reef_pool_connection *c = pool->batching;
	if (c == NULL || c->batch >= BATCH || !reef_pool_has_room(pool, c))
		pool->batching = c = least_busy(pool);
	return c;
}

bool reef_pool_has_any_room(struct reef_pool *pool) {
	return choose_connection(pool) != NULL;
}

/* ---- travelling ---- */

struct reef_pool_connection *reef_pool_enter_lane(struct reef_pool *pool, struct reef_pool_node *node) {
	struct reef_pool_lanes *lanes = &pool->lanes;
	if (node->order == 0)
		return choose_connection(pool);
	if (lanes->capacity == 0)
		renew_lanes(lanes);
	struct reef_pool_lane *lane = find_lane(lanes, node->order);
	if (lane->flying > 0) {
		if (!reef_pool_has_room(pool, lane->connection))
			return NULL;
		lane->flying++;
		node->in_lane = true;
		return lane->connection;
	}
	struct reef_pool_connection *c = choose_connection(pool);
	if (c == NULL)
		return NULL;
	if (lane->order == 0) {
		if (lanes->used * 2 >= lanes->capacity) {
			renew_lanes(lanes);
			lane = find_lane(lanes, node->order);
		}
		lanes->used++;
	}
	*lane = (struct reef_pool_lane){.order = node->order, .connection = c, .flying = 1};
	node->in_lane = true;
	return c;
}

void reef_pool_leave_lane(struct reef_pool *pool, struct reef_pool_node *node) {
	if (node->in_lane) {
		node->in_lane = false;
		find_lane(&pool->lanes, node->order)->flying--;
	}
}

void reef_pool_leave_lane_soon(const struct reef_pool *pool, const struct reef_pool_node *node) {
	if (node->in_lane)
		reef_prefetch(&pool->lanes.slots[home_of_lane(node->order) & (pool->lanes.capacity - 1)]);
}

void reef_pool_lanes_fini(struct reef_pool *pool) {
	reef_free(pool->lanes.slots);
}
