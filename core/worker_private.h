/* What the worker (worker.c) and the scheduler (scheduler.c) share about sleeping, searching and stopping. */
#ifndef REEF_WORKER_PRIVATE_H
#define REEF_WORKER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

struct reef_worker;

/* Times in cycles; constant after start-up. */
struct reef_worker_limits {
	uint64_t slice;   /* length of a slice */
	uint64_t spin;    /* looking around before sleeping */
	uint64_t surplus; /* waiting time in a queue that calls another worker */
	uint64_t poll;    /* between polls of a busy worker */
	uint64_t is_long; /* a service whose slices are longer than this keeps others waiting */
	uint64_t heavy;   /* and one whose slices are longer than this stands back */
	uint64_t share;   /* for at most so long after each slice, if others have work all the time */
};
extern struct reef_worker_limits reef_worker_limits;
void reef_worker_limits_init(void);

/* The calling thread becomes that worker. */
void reef_scheduler_set_worker(struct reef_worker *worker);
/* A new one, behind the others; its thread is yet to be made. There is room for REEF_SPARE_WORKERS beyond the regular ones.
 * One thread at a time. */
#define REEF_SPARE_WORKERS 32
struct reef_worker *reef_scheduler_add_worker(void);

/* How many workers run services right now. */
int reef_scheduler_busy_workers(void);
void reef_scheduler_set_busy(bool *busy, bool value);

/* A worker that looks around needs no waking, and while one does, nobody else is woken. */
void reef_scheduler_search_begin(void);
void reef_scheduler_search_end(void);
/* The worker that reef_scheduler_wake_one had called has looked for work. */
void reef_scheduler_wake_done(void);

/* Going to bed in two steps: once it has begun, wakers see the worker; cancelling fails when one has called already. */
void reef_scheduler_park_begin(struct reef_worker *worker);
bool reef_scheduler_park_cancel(struct reef_worker *worker);

/* Is there a service in any queue that the calling worker could take? */
bool reef_scheduler_has_work(void);
bool reef_scheduler_stopping(void);
/* Wakes a worker in bed whatever others do; false: none is. */
bool reef_scheduler_wake_parked(void);

/* ---- spare.c ---- */
void reef_spare_init(int regular);
/* Ends and joins them, once the scheduler is stopping. */
void reef_spare_stop(void);
/* Of a spare worker: has it been taken back? */
bool reef_spare_over(struct reef_worker *worker);
/* Waits until it is lent again, or the scheduler stops. Outside the engine. */
void reef_spare_rest(struct reef_worker *worker);
/* May the calling worker, if it is a spare one, take a heavy service? */
bool reef_spare_may_take_heavy(const struct reef_worker *worker);
/* The same, and takes the permission. */
bool reef_spare_takes_heavy(const struct reef_worker *worker);
/* Thread function of workers; `worker` is its argument. */
void *reef_worker_main(void *worker);

#endif
