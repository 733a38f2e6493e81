/* The hosts of a simulation: names, their addresses, and on which of them a service is. Belongs to the simulation's thread. */
#ifndef REEF_SIM_NODES_H
#define REEF_SIM_NODES_H

#include <stdint.h>

#define REEF_SIM_LOCALHOST UINT32_C(0x7f000001)

/* The address of a name or of a literal one, in host order: a name's is given when it is first asked for. */
uint32_t reef_sim_node(const char *name);
/* The service is on that host; without, it is on localhost. */
void reef_sim_node_place(uint32_t handle, uint32_t host);
/* The service is where the other one is. */
void reef_sim_node_inherit(uint32_t handle, uint32_t from);
/* The host of the service that runs now. */
uint32_t reef_sim_node_here(void);

#endif
