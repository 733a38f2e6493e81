/* Requests that a pool sends when a caller ends. The service's own slice. */
#ifndef REEF_POOL_WILL_H
#define REEF_POOL_WILL_H

#include "state.h"

/* Keeps the request, under the number that it carries as its session, for the end of `source`. */
void reef_pool_leave_will(struct reef_pool *pool, uint32_t source, const struct reef_pool_request *request,
						  const char *bytes, size_t n);
/* Forgets it. */
void reef_pool_revoke_will(struct reef_pool *pool, uint32_t source, int32_t number);
/* That caller has ended: queues what he has left. */
void reef_pool_execute_wills(struct reef_pool *pool, uint32_t source);
void reef_pool_wills_fini(struct reef_pool *pool);

#endif
