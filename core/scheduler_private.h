/* The scheduler's inside, for the files of core that run it. */
#ifndef REEF_SCHEDULER_PRIVATE_H
#define REEF_SCHEDULER_PRIVATE_H

#include <stdatomic.h>

#include "run_queue.h"
#include "scheduler.h"
#include "service_private.h"

/* How long a slice may last before other services get their turn, and how many messages it may handle. */
#define REEF_SLICE_US 100
#define REEF_SLICE_MESSAGES 256

struct reef_worker {
	struct reef_run_queue queue;
	/* Run before the queue: what the running service has just woken is warm in the cache. */
	_Alignas(64) _Atomic(struct reef_service *) next;
	unsigned hand_overs;    /* how often in a row `next` was preferred */
	uint32_t slices;        /* that this worker has run */
	unsigned looking;       /* slices for which it goes on to look ahead */
	uint64_t surplus_since; /* cycle counter when the queues were last seen empty */
	uint64_t last_poll;     /* cycle counter */
	uint64_t heavy_due;     /* cycle counter from which on a heavy service may go before others */
	bool late;              /* it is time to look beyond the own queue */
	bool looked;            /* the last slice was found there: the own queue is next */
	bool spare;             /* helps while others are stuck (spare.c) */
	struct reef_deferred *deferred, **deferred_tail;
	int index;

	/* Looked at by the watchdog. `running` is the service in its slice; `progress` changes with every message. */
	_Alignas(64) _Atomic(struct reef_service *) running;
	atomic_uint_fast64_t progress;
	_Atomic(uint32_t) message_source;
	atomic_bool releasing; /* the service has ended, what runs are its finalizers */
	atomic_int inside;     /* 1: in a slice (world.h) */

	/* The worker's bed. */
	_Alignas(64) atomic_int wakeup; /* futex: 0 asleep or about to be, 1 called */
	atomic_int lent;                /* futex, of spare ones: 1 shall work */
	struct reef_worker *parked_next;
};

/* Makes a service that has work run some time soon. From its own worker: after the current slice, on this worker. */
void reef_schedule(struct reef_service *service);

/* The service in whose name this thread acts; returns the one before. */
struct reef_service *reef_slice_set_current(struct reef_service *service);

/* Starts `n` workers and the watchdog; stops and joins them. Main thread only. */
void reef_scheduler_start(int n);
void reef_scheduler_stop(void);

/* Gets a sleeping worker to look for work, if there is one and none is looking already. Any thread. */
void reef_scheduler_wake_one(void);
/* The same for a worker that is going to be busy for long. */
void reef_scheduler_wake_beside(void);

/* ---- for the watchdog ---- */
/* Regular and spare ones that were ever started: indices below this are good for reef_scheduler_worker. */
int reef_scheduler_all_workers(void);
struct reef_worker *reef_scheduler_worker(int index);
/* Puts what waits behind the worker's slice where others find it. */
void reef_scheduler_expose(struct reef_worker *worker);
/* One more worker; false: there is none to be had. */
bool reef_spare_lend(void);
/* All that are not in a slice rest; the others when theirs is over. */
void reef_spare_take_back(void);
/* How many heavy services may be begun by spare workers. */
void reef_spare_allow_heavy(int n);

void reef_watchdog_start(void);
void reef_watchdog_stop(void);
/* A worker has found something to run after the process was idle. Cheap when the watchdog is awake. */
void reef_watchdog_notice(void);

/* Runs the services of the calling thread's worker until told to stop (worker.c). */
void reef_worker_run(struct reef_worker *worker);

#endif
