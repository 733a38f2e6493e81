/* Hash slots of Redis Cluster: which of the 16384 a key lies in. Any thread.
 *
 * https://redis.io/docs/reference/cluster-spec, "Key distribution model" and "Hash tags".
 */
#ifndef REEF_REDIS_SLOT_H
#define REEF_REDIS_SLOT_H

#include <stddef.h>

#define REEF_REDIS_SLOTS 16384

/* The key's slot, 0 to 16383: of what is between the first { and the next } if that is anything, else of all of it. */
unsigned reef_redis_slot(const char *key, size_t size);

#endif
