/* What lies between the hosts of a simulation: how fast and how well it carries, and where nothing passes. Belongs to the
 * simulation's thread. */
#ifndef REEF_SIM_LINKS_H
#define REEF_SIM_LINKS_H

#include <stdbool.h>
#include <stdint.h>

/* What the network is like; chances are from 0 to 1. */
struct reef_sim_network {
	double delay_least, delay_most; /* seconds, one way */
	double stall, stall_most;       /* chance that a piece takes up to so many seconds more */
	double reset;                   /* that a write breaks its connection */
	double refuse;                  /* that a connect is refused */
	double lose;                    /* that a connect is never answered */
	double slow;                    /* that a connection's reader is slow: it takes a few thousand bytes a second */
};
extern struct reef_sim_network reef_sim_network;

/* Nothing passes between the two hosts any more, or everything does again: what was sent meanwhile, too. */
void reef_sim_net_partition(uint32_t one, uint32_t other, bool parted);
void reef_sim_net_heal(void);
bool reef_sim_net_parted(uint32_t one, uint32_t other);

#endif
