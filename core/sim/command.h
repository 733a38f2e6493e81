/* `reef sim`: each seed's run is a child of this process, so all begin alike. Main thread, before there is another. */
#ifndef REEF_SIM_COMMAND_H
#define REEF_SIM_COMMAND_H

/* The arguments of main. `start` starts a script, with its own arguments in one text, as the first service of this process,
 * which is a simulation by then; it returns an exit code when that could not begin. Returns the exit code. */
int reef_sim_command(int argc, char **argv, int (*start)(const char *script, int word_count, char **words));

#endif
