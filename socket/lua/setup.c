/* See setup.h. */
#include "setup.h"

#include "core/host/host.h"
#include "lua_blocks.h"
#include "lua_client.h"
#include "lua_core.h"
#include "lua_driver.h"
#include "lua_fd.h"
#include "lua_gate.h"
#include "lua_names.h"
#include "lua_netpack.h"
#include "lua_tls.h"

void reef_socket_lua_setup(void) {
	reef_host_preload("reef.socketcore", reef_lua_core_open);
	reef_host_add_harmless(reef_lua_core_set_notify);
	reef_host_preload("skynet.socketdriver", reef_lua_driver_open);
	reef_host_preload("skynet.netpack", reef_lua_netpack_open);
	reef_host_preload("client.socket", reef_lua_client_open);
	reef_host_preload("reef.blocks.core", reef_lua_blocks_open);
	reef_host_preload("reef.gate.core", reef_lua_gate_open);
	reef_host_preload("reef.tls.core", reef_lua_tls_open);
	reef_host_preload("reef.fd.core", reef_lua_fd_open);
	reef_lua_names_setup();
}
