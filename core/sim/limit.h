/* What a run may take of real time, and where it is when it takes more. */
#ifndef REEF_SIM_LIMIT_H
#define REEF_SIM_LIMIT_H

/* In the process that is to be the run, before it begins. When so many seconds are over the run has failed, and says which
 * code of Lua it was in; when it comes to none for two seconds more, SIGALRM ends the process. */
void reef_sim_limit(unsigned seconds);

#endif
