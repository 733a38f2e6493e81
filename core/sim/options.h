/* The command line of `reef sim`. */
#ifndef REEF_SIM_OPTIONS_H
#define REEF_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sim.h"

#define REEF_SIM_MOST_JOBS 256

struct reef_sim_command {
	const char *script, *config; /* one of them */
	char **words;                /* behind the script: its own */
	int word_count;
	uint64_t seed, runs;
	unsigned jobs; /* runs at the same time */
	uint64_t until_ns;
	unsigned limit; /* seconds of real time that a run may take */
	bool shrink, quiet, help;
	uint8_t left_out[REEF_SIM_FAULTS / 8]; /* a bit for each number of a fault */
};

/* False: it is wrong, which has been said on stderr. Allocates nothing. */
bool reef_sim_options_read(struct reef_sim_command *command, int argc, char **argv);

extern const char reef_sim_help[];

#endif
