/* Callers of pools of Redis connections: `reef.pool.redis.core`. */
#ifndef REEF_POOL_REDIS_H
#define REEF_POOL_REDIS_H

/* Makes the Lua module known. Start-up only. */
void reef_pool_redis_setup(void);

#endif
