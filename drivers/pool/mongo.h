/* Callers of pools of MongoDB connections: `reef.pool.mongo.core`. */
#ifndef REEF_POOL_MONGO_H
#define REEF_POOL_MONGO_H

/* Makes the Lua module known. Start-up only. */
void reef_pool_mongo_setup(void);

#endif
