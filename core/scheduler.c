/* The scheduler: which worker runs what, who sleeps, who is woken. The life of one worker is in worker.c.
 *
 * Waking a sleeping thread costs a hundred times what a message costs, so it is done only when it pays: when work has
 * waited in a queue for a while, when the service that produced it is known for long slices, or when no worker is awake
 * at all. At most one worker is on its way at a time.
 */
#include "scheduler_private.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc.h"
#include "cycles.h"
#include "poller_private.h"
#include "worker_private.h"
#include "world_private.h"

static struct reef_worker **workers; /* spare ones are added to the end */
static pthread_t *threads;
static int worker_count;
static atomic_int all_workers;
static atomic_bool stopping;
static atomic_int busy_workers;
static atomic_int searching;
static atomic_bool wake_under_way;

static pthread_mutex_t parked_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_worker *parked;
static atomic_int parked_count;

static _Thread_local struct reef_worker *own_worker;
static _Thread_local struct reef_service *current_service;
static _Thread_local char *scratch;

/* ---- what rooms may ask ---- */

bool reef_slice_defer(struct reef_deferred *deferred) {
	struct reef_worker *worker = own_worker;
	if (worker == NULL || atomic_load_explicit(&worker->running, memory_order_relaxed) == NULL)
		return false;
	deferred->next = NULL;
	*worker->deferred_tail = deferred;
	worker->deferred_tail = &deferred->next;
	return true;
}

char *reef_scratch(void) {
	if (scratch == NULL)
		scratch = reef_malloc(REEF_SCRATCH_SIZE);
	return scratch;
}

int reef_worker_index(void) {
	return own_worker ? own_worker->index : -1;
}

int reef_worker_count(void) {
	return worker_count;
}

struct reef_service *reef_service_current(void) {
	return current_service;
}

struct reef_service *reef_slice_set_current(struct reef_service *service) {
	struct reef_service *before = current_service;
	current_service = service;
	return before;
}

void reef_scheduler_set_worker(struct reef_worker *worker) {
	own_worker = worker;
}

/* ---- scheduling ---- */

void reef_schedule(struct reef_service *service) {
	struct reef_worker *worker = own_worker;
	if (service->slice_cycles > reef_worker_limits.heavy) {
		reef_heavy_queue_push(service);
		reef_scheduler_wake_one();
		return;
	}
	if (worker == NULL) {
		reef_global_queue_push(service);
		reef_scheduler_wake_one();
		return;
	}
	struct reef_service *running = atomic_load_explicit(&worker->running, memory_order_relaxed);
	bool lazy = atomic_load_explicit(&service->lazy, memory_order_relaxed);
	if (running == NULL) {
		reef_run_queue_push(&worker->queue, service);
	} else if (running->slice_cycles > reef_worker_limits.is_long) {
		reef_run_queue_push(&worker->queue, service);
		reef_scheduler_wake_beside();
	} else if (lazy) {
		reef_run_queue_push(&worker->queue, service);
	} else {
		struct reef_service *before = atomic_exchange_explicit(&worker->next, service, memory_order_acq_rel);
		if (before)
			reef_run_queue_push(&worker->queue, before);
	}
}

void reef_scheduler_expose(struct reef_worker *worker) {
	struct reef_service *service = atomic_exchange_explicit(&worker->next, NULL, memory_order_acq_rel);
	if (service)
		reef_global_queue_push(service);
	reef_run_queue_give_up(&worker->queue);
}

/* ---- sleeping and waking ---- */

int reef_scheduler_busy_workers(void) {
	return atomic_load_explicit(&busy_workers, memory_order_relaxed);
}

void reef_scheduler_set_busy(bool *busy, bool value) {
	*busy = value;
	atomic_fetch_add(&busy_workers, value ? 1 : -1);
}

void reef_scheduler_search_begin(void) {
	atomic_fetch_add(&searching, 1);
}

void reef_scheduler_search_end(void) {
	atomic_fetch_sub(&searching, 1);
}

void reef_scheduler_wake_done(void) {
	if (atomic_load_explicit(&wake_under_way, memory_order_relaxed))
		atomic_store(&wake_under_way, false);
}

void reef_scheduler_park_begin(struct reef_worker *worker) {
	atomic_store(&worker->wakeup, 0);
	pthread_mutex_lock(&parked_lock);
	worker->parked_next = parked;
	parked = worker;
	atomic_fetch_add(&parked_count, 1);
	pthread_mutex_unlock(&parked_lock);
}

bool reef_scheduler_park_cancel(struct reef_worker *worker) {
	pthread_mutex_lock(&parked_lock);
	struct reef_worker **link = &parked;
	while (*link && *link != worker)
		link = &(*link)->parked_next;
	bool found = *link != NULL;
	if (found) {
		*link = worker->parked_next;
		atomic_fetch_sub(&parked_count, 1);
	}
	pthread_mutex_unlock(&parked_lock);
	return found;
}

bool reef_scheduler_wake_parked(void) {
	if (atomic_load(&parked_count) == 0)
		return false;
	pthread_mutex_lock(&parked_lock);
	struct reef_worker *worker = parked;
	if (worker) {
		parked = worker->parked_next;
		atomic_fetch_sub(&parked_count, 1);
	}
	pthread_mutex_unlock(&parked_lock);
	if (worker) {
		atomic_store(&worker->wakeup, 1);
		syscall(SYS_futex, &worker->wakeup, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return worker != NULL;
}

/* False: nobody sleeps, or somebody is on his way already. */
static bool wake_one(void) {
	if (atomic_load(&searching) > 0 || atomic_exchange(&wake_under_way, true))
		return false;
	if (reef_scheduler_wake_parked())
		return true;
	if (reef_poller_blocked_until() != 0) {
		reef_poller_kick();
		return true;
	}
	atomic_store(&wake_under_way, false);
	return false;
}

void reef_scheduler_wake_one(void) {
	(void)wake_one();
}

void reef_scheduler_wake_beside(void) {
	/* The kernel may have put the woken thread behind us on this very processor, where it would wait for the next tick
	 * (4 ms), although another is idle. Yielding costs a microsecond when it has not. */
	if (wake_one())
		sched_yield();
}

bool reef_scheduler_has_work(void) {
	if (!reef_global_queue_empty())
		return true;
	if (!reef_heavy_queue_empty() && (own_worker == NULL || reef_spare_may_take_heavy(own_worker)))
		return true;
	for (int i = 0, n = reef_scheduler_all_workers(); i < n; i++)
		if (!reef_run_queue_empty(&workers[i]->queue))
			return true;
	return false;
}

bool reef_scheduler_stopping(void) {
	return atomic_load_explicit(&stopping, memory_order_relaxed);
}

/* ---- start and stop ---- */

int reef_scheduler_all_workers(void) {
	return atomic_load_explicit(&all_workers, memory_order_acquire);
}

struct reef_worker *reef_scheduler_worker(int index) {
	return workers[index];
}

struct reef_worker *reef_scheduler_add_worker(void) {
	int index = atomic_load_explicit(&all_workers, memory_order_relaxed);
	struct reef_worker *worker = memset(reef_aligned_alloc(64, sizeof *worker), 0, sizeof *worker);
	worker->index = index;
	workers[index] = worker;
	atomic_store_explicit(&all_workers, index + 1, memory_order_release);
	return worker;
}

void *reef_worker_main(void *p) {
	struct reef_worker *worker = p;
	char name[16];
	snprintf(name, sizeof name, "%s %d", worker->spare ? "spare" : "worker", worker->index);
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_TIMERSLACK, 1); /* timers must not wait for others to be due */
	own_worker = worker;
	reef_worker_run(worker);
	own_worker = NULL;
	reef_free(scratch);
	scratch = NULL;
	return NULL;
}

void reef_scheduler_start(int n) {
	reef_worker_limits_init();
	reef_world_init();
	reef_spare_init(n);
	atomic_store(&stopping, false);
	worker_count = n;
	atomic_store(&all_workers, 0);
	workers = reef_calloc((size_t)n + REEF_SPARE_WORKERS, sizeof workers[0]);
	threads = reef_calloc((size_t)n, sizeof threads[0]);
	for (int i = 0; i < n; i++)
		reef_scheduler_add_worker();
	for (int i = 0; i < n; i++) {
		if (pthread_create(&threads[i], NULL, reef_worker_main, workers[i]) != 0) {
			fprintf(stderr, "reef: cannot start worker thread %d\n", i);
			exit(1);
		}
	}
	reef_watchdog_start();
}

void reef_scheduler_stop(void) {
	atomic_store(&stopping, true);
	/* From here on nobody lends spare workers. */
	reef_watchdog_stop();
	reef_poller_kick();
	while (reef_scheduler_wake_parked())
		;
	for (int i = 0; i < worker_count; i++) {
		pthread_join(threads[i], NULL);
		/* A worker that was on its way to bed has been joined by now or sees `stopping`; wake whoever came after. */
		while (reef_scheduler_wake_parked())
			;
		reef_poller_kick();
	}
	reef_spare_stop();
	for (int i = 0; i < reef_scheduler_all_workers(); i++)
		reef_free(workers[i]);
	reef_free(workers);
	reef_free(threads);
	reef_free(scratch);
	scratch = NULL;
	worker_count = 0;
	atomic_store(&all_workers, 0);
}
