/* The room's start-up: each driver makes its Lua modules known. */
#include "redis/lua_redis.h"

void reef_drivers_setup(void);

void reef_drivers_setup(void) {
	reef_redis_setup();
}
