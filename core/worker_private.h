/* A worker: one thread that runs services. Owned by the scheduler; each field says who else may look at it. */
#ifndef REEF_WORKER_PRIVATE_H
#define REEF_WORKER_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "list.h"
#include "run_delay.h"
#include "run_queue.h"

struct reef_deferred;

struct reef_worker {
	struct reef_run_queue queue;
	/* Run before the queue: what the running service has just woken is warm in the cache. */
	_Alignas(64) _Atomic(struct reef_service *) next;
	unsigned hand_overs;          /* how often in a row `next` was preferred */
	uint32_t slices;              /* that this worker has run */
	unsigned looking;             /* slices for which it goes on to look ahead */
	uint64_t surplus_since;       /* cycle counter when the queues were last seen empty */
	uint64_t last_poll;           /* cycle counter */
	uint64_t heavy_due;           /* cycle counter from which on a heavy service may go before others */
	bool late;                    /* it is time to look beyond the own queue */
	bool looked;                  /* the last slice was found there: the own queue is next */
	bool spare;                   /* helps while others are stuck (spare.c) */
	struct reef_run_delay waited; /* for a processor */
	struct reef_deferred *deferred, **deferred_tail;
	int index;
	unsigned scheduled;           /* services, by what runs on it */
	struct reef_histogram delays; /* nanoseconds that services waited for it (delay.h) */
	struct reef_histogram pauses; /* nanoseconds that the collector kept a VM from going on, each time */
	const void *fetched[8];       /* services whose memory was fetched last (warm.h); only compared */

	/* Looked at by the watchdog. `running` is the service in its slice; `progress` changes with every message. */
	_Alignas(64) _Atomic(struct reef_service *) running;
	atomic_uint_fast64_t progress;
	_Atomic uint64_t message; /* whose it is and of what kind (reef_worker_message) */
	atomic_bool heavy;        /* in a slice of a heavy service: it will not soon be free again */
	atomic_bool releasing;    /* the service has ended, what runs are its finalizers */
	atomic_int inside;        /* 1: in a slice (world.h) */

	atomic_int cpu_clock; /* clockid_t of its thread, 0 before there is one */

	/* The worker's bed. */
	_Alignas(64) atomic_int wakeup; /* futex: 0 asleep or about to be, 1 called */
	atomic_int lent;                /* futex, of spare ones: 1 shall work */
	struct reef_link parked;
};

static inline uint64_t reef_worker_message(uint32_t source, unsigned kind) {
	return (uint64_t)kind << 32 | source;
}
static inline uint32_t reef_worker_message_source(const struct reef_worker *worker) {
	return (uint32_t)atomic_load_explicit(&worker->message, memory_order_relaxed);
}
static inline unsigned reef_worker_message_kind(const struct reef_worker *worker) {
	return (unsigned)(atomic_load_explicit(&worker->message, memory_order_relaxed) >> 32);
}

#endif
