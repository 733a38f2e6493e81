/* The start-up of connection pools. */
#ifndef REEF_POOL_POOL_H
#define REEF_POOL_POOL_H

/* Makes the Lua modules `reef.pool.core` (the service's half), `reef.pool.redis.core` and `reef.pool.mongo.core` (callers)
 * known. Start-up only. */
void reef_pool_setup(void);
void reef_pool_redis_setup(void);
void reef_pool_mongo_setup(void);

#endif
