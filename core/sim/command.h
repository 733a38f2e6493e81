/* `reef sim`: each seed's run is a child of this process, so all begin alike. Main thread, before there is another. */
#ifndef REEF_SIM_COMMAND_H
#define REEF_SIM_COMMAND_H

struct reef_sim_command;

/* The arguments of main. `start` starts the script, or what the configuration says, as the first service of this process,
 * which is a simulation by then; it returns an exit code when that could not begin. Returns the exit code. */
int reef_sim_command(int argc, char **argv, int (*start)(const struct reef_sim_command *command));

#endif
