/* How long a thread has waited for a processor that others had: time that passes in a slice without being its own.
 *
 * Linux counts it in schedstat (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat, the second number, in
 * nanoseconds). Asking costs about a microsecond. Where the kernel does not say, it is 0. Each is used by the thread that
 * began it only.
 */
#ifndef REEF_RUN_DELAY_H
#define REEF_RUN_DELAY_H

#include <stdint.h>

struct reef_run_delay {
	int fd; /* -1: the kernel does not say */
	uint64_t seen_ns;
};

void reef_run_delay_begin(struct reef_run_delay *delay);
void reef_run_delay_end(struct reef_run_delay *delay);
/* Nanoseconds that the calling thread has waited since it asked last. */
uint64_t reef_run_delay_ask(struct reef_run_delay *delay);

#endif
