/* One connection of a pool: a channel whose requests are matched to replies by their order. The service's own slice; the
 * pool owns it. */
#ifndef REEF_POOL_CONNECTION_H
#define REEF_POOL_CONNECTION_H

#include "state.h"

#define REEF_POOL_KEPT (1 << 20) /* bytes of a stream that may wait to be asked for */

struct reef_pool_connection *reef_pool_connection_new(struct reef_pool *pool, bool pinned);
void reef_pool_connection_delete(struct reef_pool_connection *c);
/* The pool's options hold for it, too. */
void reef_pool_connection_configure(struct reef_pool_connection *c);
/* Looks at what has been received and not been used. */
void reef_pool_connection_consume(struct reef_pool_connection *c);
/* Ends it, see reef_channel_close. */
static inline void reef_pool_connection_close(struct reef_pool_connection *c, enum reef_channel_end end,
											  const char *why) {
	reef_channel_close(&c->channel, end, why);
}
/* Sends bytes that no reply belongs to. False: no memory. */
static inline bool reef_pool_connection_write(struct reef_pool_connection *c, const char *bytes, size_t n) {
	if (!reef_channel_put(&c->channel, bytes, n))
		return false;
	c->pool->counters.bytes_out += n;
	return true;
}
/* Puts the request behind the others. False: no memory; nothing has changed. */
bool reef_pool_connection_send(struct reef_pool_connection *c, struct reef_pool_node *node, const char *bytes,
							   size_t n);
/* Nobody waits for it any more. */
void reef_pool_connection_bury(struct reef_pool_connection *c, struct reef_pool_node *node);
/* Closes it if there are too many tombstones, or one where there must be none. True: it is closed now. */
bool reef_pool_connection_check(struct reef_pool_connection *c);

/* Takes out who listens to a stream; NULL if nobody does. */
static inline struct reef_pool_node *reef_pool_connection_unlisten(struct reef_pool_connection *c) {
	struct reef_pool_node *node = c->listener;
	c->listener = NULL;
	return node;
}

#endif
