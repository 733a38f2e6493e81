/* See setup.h. */
#include "setup.h"

#include "core/host/host.h"
#include "lua_bson.h"

void reef_bson_setup(void) {
	reef_host_preload("bson", reef_lua_bson_open);
}
