/* The simulation's one thread: who runs next is drawn from the seed (sim.h). */
#ifndef REEF_SIM_RUN_H
#define REEF_SIM_RUN_H

/* In the place of the workers: runs the services until the simulation is over. Main thread. */
_Noreturn void reef_sim_run(void);

#endif
