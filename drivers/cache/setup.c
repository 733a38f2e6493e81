/* See setup.h. */
#include "setup.h"

#include "core/host/host.h"
#include "lua_cache.h"

void reef_cache_setup(void) {
	reef_host_preload("reef.redis.cache.core", reef_lua_cache_open);
}
