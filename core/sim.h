/* Simulation: a process whose time, chance, order and network are functions of a seed (docs/sim.md).
 *
 * Everything here belongs to the one thread that runs the simulation, but `reef_sim_on`, which is set before there is any
 * other, and the time. It knows nothing of services: who runs next is sim_run.c's, sockets are core/sim's.
 */
#ifndef REEF_SIM_H
#define REEF_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEF_SIM_FAULTS 65536 /* numbers of faults that can be left out */

/* Is this process a simulated one? Constant from before the first thread. */
extern bool reef_sim_on;

/* How a run ended. */
enum reef_sim_outcome {
	REEF_SIM_RUNS,    /* not yet: the process was ended by something else */
	REEF_SIM_PASSED,  /* its services ended, nothing was left to happen, or its time was over */
	REEF_SIM_FAILED,  /* something that was promised is not so */
	REEF_SIM_REFUSED, /* it asked for something that cannot be simulated */
};

/* What is known of a run when it is over, in memory that whoever started it shares. */
struct reef_sim_result {
	enum reef_sim_outcome outcome;
	uint64_t fingerprint, messages, lines, time_ns;
	uint32_t faults; /* that came about; they have the numbers 1 to this */
	char why[1024];
};

struct reef_sim_options {
	uint64_t seed;
	uint64_t until_ns;       /* of the run's own time */
	const uint8_t *left_out; /* a bit for each number of a fault that does not happen, or NULL */
	struct reef_sim_result *result;
};

/* This process is a simulation from now on. Before anything else of the engine. */
void reef_sim_begin(const struct reef_sim_options *options);

/* ---- time ---- */

/* On the scale of reef_now_ns. Any thread. */
uint64_t reef_sim_now(void);
/* Nanoseconds since 1970. Any thread. */
uint64_t reef_sim_wall(void);
/* Since the run began. */
uint64_t reef_sim_elapsed(void);
/* Time goes on; never back. */
void reef_sim_advance_to(uint64_t now_ns);
/* What a look at the clock takes. */
#define REEF_SIM_LOOK_NS 100u
/* The wall clock is set, by so much. */
void reef_sim_jump_wall(int64_t ns);

/* Calls run(ud, n) at that time, in no service's slice; those of one time in the order in which they were asked for. */
void reef_sim_at(uint64_t when_ns, void (*run)(void *ud, uint64_t n), void *ud, uint64_t n);
/* When the next of them is due; UINT64_MAX: there is none. */
uint64_t reef_sim_next(void);
/* Calls those that are due. */
void reef_sim_run_due(void);

/* ---- chance ---- */

/* Each has numbers of its own: a fault more does not change what a program draws. */
enum reef_sim_stream { REEF_SIM_ORDER, REEF_SIM_NETWORK, REEF_SIM_FAULT, REEF_SIM_PROGRAM, REEF_SIM_STREAMS };

uint64_t reef_sim_draw(enum reef_sim_stream stream);
/* 0 .. n - 1, n > 0. */
uint64_t reef_sim_below(enum reef_sim_stream stream, uint64_t n);
/* 0 <= x < 1. */
double reef_sim_unit(enum reef_sim_stream stream);
/* Does a fault of that probability happen here? It gets a number, and does not if that is left out. */
bool reef_sim_fault(double probability);

/* ---- what is seen ---- */

/* Something that the fingerprint covers. */
void reef_sim_note(const void *bytes, size_t size);
void reef_sim_note_number(uint64_t n);
void reef_sim_count_message(void);
/* A line of the log. */
void reef_sim_note_line(uint32_t source, const char *text, size_t size);

/* So many things more, or less, are promised for later. */
void reef_sim_promise(int n);

/* ---- the end ---- */

/* What the run is to start has started. */
void reef_sim_started(void);
/* Nobody has caught this error of a service: where that is promised, the run has failed. */
void reef_sim_uncaught(const char *text, size_t size);
void reef_sim_promise_no_errors(void);

/* Its own time is over, or its services have ended: it has passed unless something is still promised. */
_Noreturn void reef_sim_end_by_itself(void);
/* Nothing is left to happen: it has passed likewise, if it has started. */
_Noreturn void reef_sim_end_of_events(void);

/* `act` is called when the run is over, once: it sees to it that what was logged is out. */
void reef_sim_before_end(void (*act)(void));
/* The run is over. `why` may be empty. */
_Noreturn void reef_sim_end(enum reef_sim_outcome outcome, const char *why);
/* It did something that cannot be simulated: `what`, as in "a process of the system". */
_Noreturn void reef_sim_refuse(const char *what);
uint64_t reef_sim_until(void);

#endif
