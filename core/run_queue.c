/* Run queues: see run_queue.h. */
#include "run_queue.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "alloc.h"

#define MASK (REEF_RUN_QUEUE_SIZE - 1)
#define TAKEN (REEF_RUN_QUEUE_SIZE / 4) /* at most, from the process' queue at a time */

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_service **global; /* a ring */
static size_t global_size, global_head;
static atomic_size_t global_count;

void reef_run_queue_push(struct reef_run_queue *queue, struct reef_service *service) {
	unsigned tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	unsigned head = atomic_load_explicit(&queue->head, memory_order_acquire);
	if (tail - head >= REEF_RUN_QUEUE_SIZE) {
		reef_global_queue_push(service);
		return;
	}
	atomic_store_explicit(&queue->slot[tail & MASK], service, memory_order_relaxed);
	atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
}

struct reef_service *reef_run_queue_pop(struct reef_run_queue *queue) {
	unsigned tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	unsigned head = atomic_load_explicit(&queue->head, memory_order_acquire);
	while (head != tail) {
		struct reef_service *service = atomic_load_explicit(&queue->slot[head & MASK], memory_order_relaxed);
		if (atomic_compare_exchange_weak_explicit(&queue->head, &head, head + 1, memory_order_acq_rel,
												  memory_order_acquire))
			return service;
	}
	return NULL;
}

struct reef_service *reef_run_queue_steal(struct reef_run_queue *own, struct reef_run_queue *other) {
	struct reef_service *loot[REEF_RUN_QUEUE_SIZE / 2];
	unsigned head = atomic_load_explicit(&other->head, memory_order_acquire), n;
	do {
		unsigned tail = atomic_load_explicit(&other->tail, memory_order_acquire);
		n = tail - head;
		n -= n / 2;
		if (n == 0)
			return NULL;
		if (n > REEF_RUN_QUEUE_SIZE / 2) {
			/* head and tail were read at different times */
			head = atomic_load_explicit(&other->head, memory_order_acquire);
			continue;
		}
		for (unsigned i = 0; i < n; i++)
			loot[i] = atomic_load_explicit(&other->slot[(head + i) & MASK], memory_order_relaxed);
	} while (n > REEF_RUN_QUEUE_SIZE / 2 ||
			 !atomic_compare_exchange_weak_explicit(&other->head, &head, head + n, memory_order_acq_rel,
													memory_order_acquire));
	for (unsigned i = 1; i < n; i++)
		reef_run_queue_push(own, loot[i]);
	return loot[0];
}

bool reef_run_queue_empty(const struct reef_run_queue *queue) {
	return atomic_load_explicit(&queue->head, memory_order_relaxed) ==
		   atomic_load_explicit(&queue->tail, memory_order_relaxed);
}

struct reef_service *reef_run_queue_peek(struct reef_run_queue *queue, unsigned n) {
	unsigned tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	unsigned head = atomic_load_explicit(&queue->head, memory_order_acquire);
	return tail - head > n ? atomic_load_explicit(&queue->slot[(head + n) & MASK], memory_order_relaxed) : NULL;
}

static void grow(void) {
	size_t size = global_size ? global_size * 2 : REEF_RUN_QUEUE_SIZE, first = global_size - global_head;
	struct reef_service **ring = reef_malloc(size * sizeof(*ring));
	if (global_size > 0) {
		memcpy(ring, global + global_head, first * sizeof(*ring));
		memcpy(ring + first, global, global_head * sizeof(*ring));
	}
	reef_free(global);
	global = ring;
	global_size = size;
	global_head = 0;
}

void reef_global_queue_push(struct reef_service *service) {
	pthread_mutex_lock(&global_lock);
	size_t count = atomic_load_explicit(&global_count, memory_order_relaxed);
	if (count == global_size)
		grow();
	global[(global_head + count) & (global_size - 1)] = service;
	atomic_store(&global_count, count + 1);
	pthread_mutex_unlock(&global_lock);
}

/* Under the lock; there is one. */
static struct reef_service *pop(void) {
	struct reef_service *service = global[global_head];
	size_t count = atomic_load_explicit(&global_count, memory_order_relaxed) - 1;
	global_head = (global_head + 1) & (global_size - 1);
	atomic_store(&global_count, count);
	if (count == 0 && global_size > REEF_RUN_QUEUE_SIZE) {
		reef_free(global);
		global = NULL;
		global_size = global_head = 0;
	}
	return service;
}

struct reef_service *reef_global_queue_pop(void) {
	if (reef_global_queue_empty())
		return NULL;
	pthread_mutex_lock(&global_lock);
	struct reef_service *service = reef_global_queue_empty() ? NULL : pop();
	pthread_mutex_unlock(&global_lock);
	return service;
}

struct reef_service *reef_global_queue_take(struct reef_run_queue *own) {
	if (reef_global_queue_empty())
		return NULL;
	struct reef_service *first = NULL;
	pthread_mutex_lock(&global_lock);
	size_t n = (atomic_load_explicit(&global_count, memory_order_relaxed) + 1) / 2;
	if (n > 0)
		first = pop();
	for (size_t i = 1; i < n && i < TAKEN; i++)
		reef_run_queue_push(own, pop());
	pthread_mutex_unlock(&global_lock);
	return first;
}

bool reef_global_queue_empty(void) {
	return atomic_load(&global_count) == 0;
}
