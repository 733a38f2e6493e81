/* Connection pools for Lua: `reef.pool.core`, the service's half, and the start-up of the room. */
#ifndef REEF_POOL_LUA_PROXY_H
#define REEF_POOL_LUA_PROXY_H

/* Makes the Lua modules `reef.pool.core`, `reef.pool.redis.core` and `reef.pool.mongo.core` known. Start-up only. */
void reef_pool_setup(void);

#endif
