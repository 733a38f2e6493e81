/* Which connection a request takes. The service's own slice. */
#ifndef REEF_POOL_LANE_H
#define REEF_POOL_LANE_H

#include "state.h"

/* A shared connection with room for that request; NULL: it has to wait. */
struct reef_pool_connection *reef_pool_choose(struct reef_pool *pool, uint64_t order);
/* The node travels on the lane of its order. */
void reef_pool_enter_lane(struct reef_pool *pool, struct reef_pool_node *node, struct reef_pool_connection *c);
void reef_pool_leave_lane(struct reef_pool *pool, struct reef_pool_node *node);
/* With the pool. */
void reef_pool_lanes_fini(struct reef_pool *pool);

#endif
