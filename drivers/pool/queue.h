/* Requests that wait for room, fairly: a list for each caller, served in turn. The service's own slice. */
#ifndef REEF_POOL_QUEUE_H
#define REEF_POOL_QUEUE_H

#include "state.h"

/* False: its caller has too many waiting already. */
bool reef_pool_enqueue(struct reef_pool *pool, struct reef_pool_node *node);
/* Sends what has waited, as far as there is room. */
void reef_pool_advance(struct reef_pool *pool);
/* Takes out of all queues what `match` says yes to, and hands it to `taken`. */
void reef_pool_sift(struct reef_pool *pool, bool (*match)(const struct reef_pool_node *node, void *ud),
					void (*taken)(struct reef_pool *pool, struct reef_pool_node *node, void *ud), void *ud);
void reef_pool_queue_fini(struct reef_pool *pool);

#endif
