/* Run queues: a bounded one for each worker, which others may steal from, and one for the process.
 *
 * The worker's own queue is a ring with one producer, its owner, and many consumers: the owner and thieves take from the
 * head by compare-and-swap. What does not fit goes to the process' queue, a ring that grows, under a lock, which also
 * takes what threads schedule that are no workers. A second one like it is for heavy services. Queues never touch the services: those may be far from the cache.
 */
#ifndef REEF_RUN_QUEUE_H
#define REEF_RUN_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct reef_service;

#define REEF_RUN_QUEUE_SIZE 256 /* a power of two */

struct reef_run_queue {
	_Alignas(64) atomic_uint head;
	_Alignas(64) atomic_uint tail; /* written by the owner only */
	_Atomic(struct reef_service *) slot[REEF_RUN_QUEUE_SIZE];
};

/* Owner only. Overflows into the process' queue. */
void reef_run_queue_push(struct reef_run_queue *queue, struct reef_service *service);
/* Owner only. NULL if empty. */
struct reef_service *reef_run_queue_pop(struct reef_run_queue *queue);
/* The one that will be popped after `n` others; NULL if there are not so many, or another worker may have taken it. It may
 * be looked at until the caller's next quiescent point. Owner only. */
struct reef_service *reef_run_queue_peek(struct reef_run_queue *queue, unsigned n);
/* Moves half of another worker's queue into the calling worker's own and returns one of them; NULL if there is none. */
struct reef_service *reef_run_queue_steal(struct reef_run_queue *own, struct reef_run_queue *other);
/* Moves all of it into the process' queue. Any thread. */
void reef_run_queue_give_up(struct reef_run_queue *queue);
bool reef_run_queue_empty(const struct reef_run_queue *queue);

/* The process' queue: any thread. */
void reef_global_queue_push(struct reef_service *service);
struct reef_service *reef_global_queue_pop(void);
/* The same for a worker whose own queue is empty: more of them go there, but others find some, too. */
struct reef_service *reef_global_queue_take(struct reef_run_queue *own);
/* Moves some, if there are any, behind what a worker's own queue still has, which may not be more than half of its size. */
void reef_global_queue_refill(struct reef_run_queue *own);
bool reef_global_queue_empty(void);

/* Another one of the process, for services that are known for long slices: they stand back behind the others. */
void reef_heavy_queue_push(struct reef_service *service);
struct reef_service *reef_heavy_queue_pop(void);
bool reef_heavy_queue_empty(void);

#endif
