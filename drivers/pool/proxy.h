/* The life of a pool, and what its Lua half does to it. See state.h for what a pool is. The service's own slice. */
#ifndef REEF_POOL_PROXY_H
#define REEF_POOL_PROXY_H

#include "state.h"

/* For the service of that host, whose messages it sees first from now on. */
struct reef_pool *reef_pool_new(struct reef_host *host, const struct reef_pool_protocol *protocol,
								const struct reef_pool_options *options);
/* Everybody who waits gets an error. */
void reef_pool_delete(struct reef_pool *pool);
/* No server can be reached: what waits, and what comes, fails at once. `why` NULL: not so. */
void reef_pool_set_down(struct reef_pool *pool, uint8_t code, const char *why);
/* Why there is no connection at the moment, for the errors of those who have waited in vain. NULL: there is one. */
void reef_pool_set_why(struct reef_pool *pool, const char *why);

#endif
