/* The room's start-up. */
#ifndef REEF_LUA_REDIS_H
#define REEF_LUA_REDIS_H

/* Makes the Lua module `reef.redis.core` known. Start-up only. */
void reef_redis_setup(void);

#endif
