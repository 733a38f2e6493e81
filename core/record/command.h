/* The command line of `reef replay`. */
#ifndef REEF_REPLAY_COMMAND_H
#define REEF_REPLAY_COMMAND_H

/* Reads a record and becomes the process that replays it: sets its environment and calls `start`. Returns the exit code. */
int reef_replay_command(int argc, char **argv, int (*start)(void));

#endif
