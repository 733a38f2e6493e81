/* Answers that are remembered for as long as they are good (their TTL, an hour at most). A table of fixed size, where a
 * name replaces another one that falls into the same place. Guarded by the resolver's lock. */
#ifndef REEF_SOCKET_NAMES_RESOLVER_CACHE_H
#define REEF_SOCKET_NAMES_RESOLVER_CACHE_H

#include <stdbool.h>

#include "answer.h"

/* A copy of what is remembered: the caller's. False: nothing that is still good. */
bool reef_resolver_cache_get(const char *name, struct reef_answer *answer);
/* For `ttl` seconds, or the answer's own if that is less. */
void reef_resolver_cache_put(const char *name, const struct reef_answer *answer, uint32_t ttl);
void reef_resolver_cache_clear(void);

#endif
