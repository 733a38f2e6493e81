/* Run queues: see run_queue.h. */
#include "run_queue.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "alloc.h"

#define MASK (REEF_RUN_QUEUE_SIZE - 1)
#define TAKEN (REEF_RUN_QUEUE_SIZE / 4) /* at most, from the process' queue at a time */

struct shared_queue {
	pthread_mutex_t lock;
	struct reef_service **ring;
	size_t size, head;
	atomic_size_t count;
};

static struct shared_queue global = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct shared_queue heavy = {.lock = PTHREAD_MUTEX_INITIALIZER};

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

inline bool reef_run_queue_empty(const struct reef_run_queue *queue) {
	return atomic_load_explicit(&queue->head, memory_order_relaxed) ==
		   atomic_load_explicit(&queue->tail, memory_order_relaxed);
}

struct reef_service *reef_run_queue_peek(struct reef_run_queue *queue, unsigned n) {
	unsigned tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	unsigned head = atomic_load_explicit(&queue->head, memory_order_acquire);
	return tail - head > n ? atomic_load_explicit(&queue->slot[(head + n) & MASK], memory_order_relaxed) : NULL;
}

static void grow_ring(struct shared_queue *queue) {
	size_t size = queue->size ? queue->size * 2 : REEF_RUN_QUEUE_SIZE, first = queue->size - queue->head;
	struct reef_service **ring = reef_malloc(size * sizeof(*ring));
	if (queue->size > 0) {
		memcpy(ring, queue->ring + queue->head, first * sizeof(*ring));
		memcpy(ring + first, queue->ring, queue->head * sizeof(*ring));
	}
	reef_free(queue->ring);
	queue->ring = ring;
	queue->size = size;
	queue->head = 0;
}

static bool is_empty(struct shared_queue *queue) {
	return atomic_load(&queue->count) == 0;
}

static void shared_push(struct shared_queue *queue, struct reef_service *service) {
	pthread_mutex_lock(&queue->lock);
	size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed);
	if (count == queue->size)
		grow_ring(queue);
	queue->ring[(queue->head + count) & (queue->size - 1)] = service;
	atomic_store(&queue->count, count + 1);
	pthread_mutex_unlock(&queue->lock);
}

/* Under the lock; there is one. */
static struct reef_service *take_first(struct shared_queue *queue) {
	struct reef_service *service = queue->ring[queue->head];
	size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed) - 1;
	queue->head = (queue->head + 1) & (queue->size - 1);
	atomic_store(&queue->count, count);
	if (count == 0 && queue->size > REEF_RUN_QUEUE_SIZE) {
		reef_free(queue->ring);
		queue->ring = NULL;
		queue->size = queue->head = 0;
	}
	return service;
}

static struct reef_service *shared_pop(struct shared_queue *queue) {
	if (is_empty(queue))
		return NULL;
	pthread_mutex_lock(&queue->lock);
	struct reef_service *service = is_empty(queue) ? NULL : take_first(queue);
	pthread_mutex_unlock(&queue->lock);
	return service;
}

void reef_global_queue_push(struct reef_service *service) {
	shared_push(&global, service);
}

struct reef_service *reef_global_queue_pop(void) {
	return shared_pop(&global);
}

static __attribute__((noinline)) void take_some(struct reef_run_queue *own) {
	pthread_mutex_lock(&global.lock);
	size_t n = (atomic_load_explicit(&global.count, memory_order_relaxed) + 1) / 2;
	for (size_t i = 0; i < n && i < TAKEN; i++)
		reef_run_queue_push(own, take_first(&global));
	pthread_mutex_unlock(&global.lock);
}

void reef_global_queue_refill(struct reef_run_queue *own) {
	if (!is_empty(&global))
		take_some(own);
}

inline struct reef_service *reef_global_queue_take(struct reef_run_queue *own) {
	if (is_empty(&global))
		return NULL;
	take_some(own);
	return reef_run_queue_pop(own);
}

inline bool reef_global_queue_empty(void) {
	return is_empty(&global);
}

void reef_heavy_queue_push(struct reef_service *service) {
	shared_push(&heavy, service);
}

struct reef_service *reef_heavy_queue_pop(void) {
	return shared_pop(&heavy);
}

inline bool reef_heavy_queue_empty(void) {
	return is_empty(&heavy);
}

void reef_run_queue_give_up(struct reef_run_queue *queue) {
	for (;;) {
		unsigned head = atomic_load_explicit(&queue->head, memory_order_acquire);
		/* After the head: it is not behind it then. */
		if (atomic_load_explicit(&queue->tail, memory_order_acquire) == head)
			return;
		struct reef_service *service = atomic_load_explicit(&queue->slot[head & MASK], memory_order_relaxed);
		if (atomic_compare_exchange_strong_explicit(&queue->head, &head, head + 1, memory_order_acq_rel,
													memory_order_relaxed))
			shared_push(&global, service);
	}
}
