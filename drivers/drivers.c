/* The room's start-up: each driver makes its Lua modules known. */
#include "crypt/crypt.h"
#include "mongo/mongo.h"
#include "pool/pool.h"
#include "redis/lua_redis.h"
#include "sproto/lua_sproto.h"

void reef_drivers_setup(void);

void reef_drivers_setup(void) {
	reef_crypt_setup();
	reef_mongo_setup();
	reef_redis_setup();
	reef_pool_setup();
	reef_sproto_setup();
}
