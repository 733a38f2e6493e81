/* Workers: the threads that run services, and what a room may ask of the one it runs on. */
#ifndef REEF_SCHEDULER_H
#define REEF_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Something to be done once when the current slice ends (gathered socket writes, say). Embedded in its owner, who
 * guarantees that it lives until then. */
struct reef_deferred {
	struct reef_deferred *next;
	void (*run)(struct reef_deferred *deferred);
};

/* Queues `deferred` for the end of the slice that this thread is in. It must not be queued already. False: this thread
 * is not in a slice; do it yourself now. Order of queueing is order of running. A deferred may queue others. */
bool reef_slice_defer(struct reef_deferred *deferred);

/* A buffer of the worker for short-lived bytes, REEF_SCRATCH_SIZE long: valid until the caller returns to anything that
 * might use it as well (so: fill, consume, forget). Also works outside a worker. */
#define REEF_SCRATCH_SIZE (256 * 1024)
char *reef_scratch(void);

/* Index of the calling worker, or -1 on another thread. Spare workers come after the regular ones that are counted. */
int reef_worker_index(void);
int reef_worker_count(void);

#endif
