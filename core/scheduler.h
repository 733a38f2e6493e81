/* The scheduler: which worker runs what, who sleeps, who is woken.
 *
 * Waking a sleeping thread costs a hundred times what a message costs, so it is done only when it pays: when work has
 * waited in a queue for a while, when the service that produced it is known for long slices, or when no worker is awake
 * at all. At most one worker is on its way at a time. Any thread inside the engine, where nothing else is said.
 */
#ifndef REEF_SCHEDULER_H
#define REEF_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

struct reef_histogram;
struct reef_service;
struct reef_worker;

/* How long a slice may last before other services get their turn. */
#define REEF_SCHEDULER_SLICE_US 100
#define REEF_SCHEDULER_SPARES 32 /* workers beyond the regular ones, at most */

/* Times in cycles; constant after start-up. */
struct reef_scheduler_limits {
	uint64_t slice;   /* length of a slice */
	uint64_t spin;    /* looking around before sleeping */
	uint64_t surplus; /* waiting time in a queue that calls another worker */
	uint64_t poll;    /* between polls of a busy worker */
	uint64_t is_long; /* a service whose slices are longer than this keeps others waiting, */
	uint64_t blind;   /* and this one its worker from polling, which it does between slices */
	uint64_t heavy;   /* and one whose slices are longer than this stands back */
	uint64_t share;   /* for at most so long after each slice, if others have work all the time */
};
extern struct reef_scheduler_limits reef_scheduler_limits;

/* The limits are set, and there is room for that many regular workers; no other thread is there yet, or any more. */
void reef_scheduler_init(int workers);
void reef_scheduler_fini(void);

/* Makes a service that has work run some time soon. From its own worker: after the current slice, on this worker. */
void reef_scheduler_schedule(struct reef_service *service);

/* ---- workers ---- */

/* A new one, behind the others; its thread is yet to be made. One thread at a time. */
struct reef_worker *reef_scheduler_add_worker(void);
/* Regular and spare ones that were ever started: indices below this are good for reef_scheduler_worker. */
int reef_scheduler_all_workers(void);
/* The regular ones. */
int reef_scheduler_regular_workers(void);
struct reef_worker *reef_scheduler_worker(int index);
/* Index of the calling worker, or -1 on another thread. Spare workers come after the regular ones. */
int reef_scheduler_own_index(void);
/* Puts what waits behind the worker's slice where others find it. */
void reef_scheduler_expose(struct reef_worker *worker);

/* What a service does at the moment. */
struct reef_scheduler_look {
	bool runs; /* a worker has it, with the message of that kind and source, for so many seconds */
	bool due;  /* it has messages, or runs */
	uint32_t source;
	unsigned kind; /* reef_service_kind_of */
	double seconds;
};
/* False: no such service. Any thread inside the engine. */
bool reef_scheduler_look(uint32_t handle, struct reef_scheduler_look *look);

/* CPU time of its thread, in seconds; 0 if that has not begun or is over. */
double reef_scheduler_cpu_seconds(int index);
/* How long services that were to run waited for this worker, in nanoseconds; one of some dozens is looked at. */
const struct reef_histogram *reef_scheduler_delays(int index);
/* How long a VM's collector kept what runs on this worker from going on, each time, in nanoseconds. */
const struct reef_histogram *reef_scheduler_pauses(int index);
/* Such a pause, which began at `since` of the cycle counter, is over. Nothing happens outside a worker. */
void reef_scheduler_note_pause(uint64_t since);

/* How many workers run services right now. */
int reef_scheduler_busy_workers(void);
void reef_scheduler_set_busy(bool *busy, bool value);

/* ---- work ---- */

/* Is there a service in any queue that the calling worker could take? */
bool reef_scheduler_has_work(void);
/* How many heavy services may be begun by spare workers. */
void reef_scheduler_allow_heavy(int n);
/* May this worker take a heavy service? A spare one uses up a permission. */
bool reef_scheduler_takes_heavy(const struct reef_worker *worker);

/* ---- sleeping and waking ---- */

/* Gets a sleeping worker to look for work, if there is one, none is looking already, and fewer are busy than there are
 * processors and workers that are held. Any thread. */
void reef_scheduler_wake_one(void);
/* The same for a worker that is going to be busy for long. */
void reef_scheduler_wake_beside(void);
/* Watchdog only: how many workers are held in long messages. They need no processor of their own, or keep one. */
void reef_scheduler_set_held(int n);
/* Do fewer workers run services than there are processors for? Any thread. */
bool reef_scheduler_has_processor_left(void);
/* Do more workers run services than there are processors for? */
bool reef_scheduler_is_crowded(void);
/* Wakes a worker in bed whatever others do; false: none is. */
bool reef_scheduler_wake_parked(void);
/* The worker that reef_scheduler_wake_one had called has looked for work. */
void reef_scheduler_wake_done(void);

/* A worker that looks around needs no waking, and while one does, nobody else is woken. */
void reef_scheduler_search_begin(void);
void reef_scheduler_search_end(void);

/* Going to bed in two steps: once it has begun, wakers see the worker; cancelling fails when one has called already. */
void reef_scheduler_park_begin(struct reef_worker *worker);
bool reef_scheduler_park_cancel(struct reef_worker *worker);

/* Workers shall come to their ends. */
void reef_scheduler_stop(void);
bool reef_scheduler_stopping(void);

#endif
