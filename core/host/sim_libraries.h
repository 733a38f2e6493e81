/* What the standard libraries of a VM are in a simulation (core/sim.h): time and chance are the simulation's, and what
 * cannot be simulated says so. Own slice only. */
#ifndef REEF_HOST_SIM_LIBRARIES_H
#define REEF_HOST_SIM_LIBRARIES_H

struct lua_State;

void reef_sim_libraries_open(struct lua_State *L);

#endif
