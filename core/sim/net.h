/* The network of a simulation: sockets in memory, between the nodes of the process. Delays, the pieces in which bytes come,
 * how much a connection holds, and which connections fail are drawn from the seed. Belongs to the simulation's thread. */
#ifndef REEF_SIM_NET_H
#define REEF_SIM_NET_H

#include <stdbool.h>
#include <stdint.h>

/* From now on reef_net is this network. Start-up only. */
void reef_sim_net_setup(void);

/* Connections between two hosts (IPv4 addresses in host order; 0: any), by the port that was connected to (0: any). */
struct reef_sim_link {
	uint32_t from, to;
	int port;
};

enum reef_sim_cut {
	REEF_SIM_RESET, /* both ends hear of a reset */
	REEF_SIM_HALF,  /* the end that was connected to sends no more, but reads on */
};
/* Cuts what is connected like that; how many connections that were. */
int reef_sim_net_cut(const struct reef_sim_link *link, enum reef_sim_cut how);

#endif
