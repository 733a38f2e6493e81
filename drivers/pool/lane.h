/* Which connection a request takes. The service's own slice. */
#ifndef REEF_POOL_LANE_H
#define REEF_POOL_LANE_H

#include "state.h"

/* Has any shared connection room for one more? */
bool reef_pool_has_any_room(struct reef_pool *pool);
/* The shared connection that the request takes; from now on it travels on the lane of its order. NULL: there is no room, it
 * has to wait. */
struct reef_pool_connection *reef_pool_enter_lane(struct reef_pool *pool, struct reef_pool_node *node);
void reef_pool_leave_lane(struct reef_pool *pool, struct reef_pool_node *node);
/* That one leaves its lane soon. */
void reef_pool_leave_lane_soon(const struct reef_pool *pool, const struct reef_pool_node *node);
/* With the pool. */
void reef_pool_lanes_fini(struct reef_pool *pool);

#endif
