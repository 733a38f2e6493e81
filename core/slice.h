/* The slice that the calling thread is in: what a room may ask of it. */
#ifndef REEF_SLICE_H
#define REEF_SLICE_H

#include <stdbool.h>

struct reef_service;
struct reef_worker;

/* Something to be done once when the current slice ends (gathered socket writes, say). Embedded in its owner, who
 * guarantees that it lives until then. */
struct reef_deferred {
	struct reef_deferred *next;
	void (*run)(struct reef_deferred *deferred);
};

/* Queues `deferred` for the end of the slice that this thread is in. It must not be queued already. False: this thread
 * is not in a slice; do it yourself now. Order of queueing is order of running. A deferred may queue others. */
bool reef_slice_defer(struct reef_deferred *deferred);

/* A buffer of the worker for short-lived bytes, REEF_SLICE_SCRATCH_SIZE long: valid until the caller returns to anything that
 * might use it as well (so: fill, consume, forget). Also works outside a worker. */
#define REEF_SLICE_SCRATCH_SIZE (256 * 1024)
char *reef_slice_scratch(void);

/* The service that the calling thread is running, NULL outside a slice. */
struct reef_service *reef_slice_service(void);

/* ---- for whoever runs slices ---- */

/* The service in whose name this thread acts; returns the one before. */
struct reef_service *reef_slice_set_service(struct reef_service *service);
/* The calling thread's worker, NULL if it has none. */
struct reef_worker *reef_slice_worker(void);
/* The calling thread becomes that worker; with NULL it is none any more, and frees what it has. */
void reef_slice_set_worker(struct reef_worker *worker);

#endif
