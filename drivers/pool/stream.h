/* Connections on which the server speaks by itself: subscribers. The service's own slice. */
#ifndef REEF_POOL_STREAM_H
#define REEF_POOL_STREAM_H

#include "state.h"

/* The connection is a stream from now on; sends those bytes. */
void reef_pool_stream_say(struct reef_pool_connection *c, const char *bytes, size_t n);
/* The node waits for what comes. */
void reef_pool_stream_listen(struct reef_pool_connection *c, struct reef_pool_node *node);

#endif
