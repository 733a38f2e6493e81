/* See setup.h. */
#include "setup.h"

#include "core/host/host.h"
#include "lua_parts.h"

void reef_cluster_setup(void) {
	reef_host_preload("reef.cluster.core", reef_lua_parts_open);
}
