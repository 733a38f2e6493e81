/* Run queues: see run_queue.h. */
#include "run_queue.h"

#include <pthread.h>
#include <stddef.h>

#include "service_private.h"

#define MASK (REEF_RUN_QUEUE_SIZE - 1)

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_service *global_head;
static struct reef_service **global_tail = &global_head;
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

void reef_global_queue_push(struct reef_service *service) {
	pthread_mutex_lock(&global_lock);
	service->run_link = NULL;
	*global_tail = service;
	global_tail = &service->run_link;
	atomic_fetch_add(&global_count, 1);
	pthread_mutex_unlock(&global_lock);
}

struct reef_service *reef_global_queue_pop(void) {
	if (reef_global_queue_empty())
		return NULL;
	pthread_mutex_lock(&global_lock);
	struct reef_service *service = global_head;
	if (service) {
		global_head = service->run_link;
		if (global_head == NULL)
			global_tail = &global_head;
		atomic_fetch_sub(&global_count, 1);
	}
	pthread_mutex_unlock(&global_lock);
	return service;
}

bool reef_global_queue_empty(void) {
	return atomic_load(&global_count) == 0;
}
