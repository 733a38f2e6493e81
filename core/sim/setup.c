/* Start of the room; before the rooms that use the network. */
#include "core/host/host.h"
#include "core/sim.h"
#include "lua_sim.h"
#include "net.h"

void reef_sim_setup(void);

void reef_sim_setup(void) {
	reef_host_preload("reef.sim.core", reef_open_sim);
	if (reef_sim_on)
		reef_sim_net_setup();
}
