/* Connections of a pool that serve one caller at a time. The service's own slice. */
#ifndef REEF_POOL_PIN_H
#define REEF_POOL_PIN_H

#include "state.h"

/* False: too many wait already. */
bool reef_pool_want(struct reef_pool *pool, struct reef_pool_node *node);
/* Gives free pinned connections to those who want one. */
void reef_pool_serve_wanting(struct reef_pool *pool);
struct reef_pool_connection *reef_pool_find_pin(struct reef_pool *pool, uint32_t pin, uint32_t source);
void reef_pool_unpin(struct reef_pool *pool, struct reef_pool_connection *c, bool clean);

#endif
