/* The scheduler: see scheduler.h. The life of one worker is in worker.c. */
#include "scheduler.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "cycles.h"
#include "delay.h"
#include "env.h"
#include "handle.h"
#include "poller.h"
#include "service_private.h"
#include "slice.h"
#include "slow.h"
#include "worker_private.h"

#define POLL_EVERY_US 100 /* between looks of a busy worker at the poller and the process' queues */
#define SPIN_US 20        /* looking before sleeping; more gains nothing */
#define SURPLUS_US 100    /* how long work may wait in the queue before a sleeping worker is called: it costs some 50 */
#define LONG_US 50        /* slices longer than this keep others waiting for longer than it takes to wake somebody */
#define BLIND_US 200      /* slices longer than this are messages that keep their worker from polling in time */
#define HEAVY_US 1000     /* slices longer than this are messages that are: no slice of many is longer than a tenth */
#define SLOW_CS 10     /* messages that take longer are counted as slow ones, unless the configuration says otherwise */
#define SHARE_US 50000 /* for how long others may keep a heavy service waiting after a slice of a heavy one */

struct reef_scheduler_limits reef_scheduler_limits;

static struct reef_worker **workers; /* spare ones are added to the end */
static int regular_workers;
static atomic_int all_workers;
static atomic_bool stopping;
static int processors;            /* that this process may use */
static atomic_int useful_workers; /* the busy ones beyond would only take the processors from each other */
static atomic_int busy_workers;
static atomic_int searching;
static atomic_bool wake_under_way;
static atomic_int heavy_allowed; /* to spare workers */

static pthread_mutex_t parked_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_list parked;
static atomic_int parked_count;

/* ---- scheduling ---- */

void reef_scheduler_schedule(struct reef_service *service) {
	struct reef_worker *worker = reef_slice_worker();
	reef_delay_stamp(service, worker);
	if (service->slice_cycles > reef_scheduler_limits.heavy) {
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
	} else if (running->slice_cycles > reef_scheduler_limits.is_long) {
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

/* ---- workers ---- */

int reef_scheduler_all_workers(void) {
	return atomic_load_explicit(&all_workers, memory_order_acquire);
}

int reef_scheduler_regular_workers(void) {
	return regular_workers;
}

struct reef_worker *reef_scheduler_worker(int index) {
	return workers[index];
}

inline int reef_scheduler_own_index(void) {
	const struct reef_worker *worker = reef_slice_worker();
	return worker ? worker->index : -1;
}

double reef_scheduler_cpu_seconds(int index) {
	struct timespec t;
	clockid_t clock = atomic_load(&workers[index]->cpu_clock);
	return clock != 0 && clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + (double)t.tv_nsec / 1e9 : 0;
}

const struct reef_histogram *reef_scheduler_delays(int index) {
	return &workers[index]->delays;
}

const struct reef_histogram *reef_scheduler_pauses(int index) {
	return &workers[index]->pauses;
}

void reef_scheduler_note_pause(uint64_t since) {
	struct reef_worker *worker = reef_slice_worker();
	if (worker)
		reef_histogram_add(&worker->pauses, (uint64_t)(reef_cycles_to_seconds(reef_cycles() - since) * 1e9));
}

struct reef_worker *reef_scheduler_add_worker(void) {
	int index = atomic_load_explicit(&all_workers, memory_order_relaxed);
	struct reef_worker *worker = memset(reef_aligned_alloc(64, sizeof *worker), 0, sizeof *worker);
	worker->index = index;
	workers[index] = worker;
	atomic_store_explicit(&all_workers, index + 1, memory_order_release);
	return worker;
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
	reef_list_push_front(&parked, &worker->parked);
	atomic_fetch_add(&parked_count, 1);
	pthread_mutex_unlock(&parked_lock);
}

bool reef_scheduler_park_cancel(struct reef_worker *worker) {
	pthread_mutex_lock(&parked_lock);
	bool found = reef_link_is_linked(&worker->parked);
	if (found) {
		reef_link_remove(&worker->parked);
		atomic_fetch_sub(&parked_count, 1);
	}
	pthread_mutex_unlock(&parked_lock);
	return found;
}

bool reef_scheduler_wake_parked(void) {
	if (atomic_load(&parked_count) == 0)
		return false;
	pthread_mutex_lock(&parked_lock);
	struct reef_worker *worker = reef_list_entry(reef_list_pop(&parked), struct reef_worker, parked);
	if (worker)
		atomic_fetch_sub(&parked_count, 1);
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
	/* If there are enough, they find the work when theirs is done; if they are held, the watchdog sees it. */
	if (reef_scheduler_has_processor_left())
		(void)wake_one();
}

void reef_scheduler_set_held(int n) {
	atomic_store_explicit(&useful_workers, processors + n, memory_order_relaxed);
}

bool reef_scheduler_has_processor_left(void) {
	return reef_scheduler_busy_workers() < atomic_load_explicit(&useful_workers, memory_order_relaxed);
}

bool reef_scheduler_is_crowded(void) {
	return reef_scheduler_busy_workers() > atomic_load_explicit(&useful_workers, memory_order_relaxed);
}

void reef_scheduler_wake_beside(void) {
	/* The kernel may have put the woken thread behind us on this very processor, where it would wait for the next tick
	 * (4 ms), although another is idle. Yielding costs a microsecond when it has not. */
	if (wake_one())
		sched_yield();
}

/* ---- work ---- */

static bool may_take_heavy(const struct reef_worker *worker) {
	return worker == NULL || !worker->spare || atomic_load_explicit(&heavy_allowed, memory_order_relaxed) > 0;
}

bool reef_scheduler_has_work(void) {
	if (!reef_global_queue_empty())
		return true;
	if (!reef_heavy_queue_empty() && may_take_heavy(reef_slice_worker()))
		return true;
	for (int i = 0, n = reef_scheduler_all_workers(); i < n; i++)
		if (!reef_run_queue_empty(&workers[i]->queue))
			return true;
	return false;
}

void reef_scheduler_allow_heavy(int n) {
	atomic_store(&heavy_allowed, n);
}

bool reef_scheduler_takes_heavy(const struct reef_worker *worker) {
	if (!worker->spare)
		return true;
	int n = atomic_load(&heavy_allowed);
	while (n > 0)
		if (atomic_compare_exchange_weak(&heavy_allowed, &n, n - 1))
			return true;
	return false;
}

/* ---- start and stop ---- */

bool reef_scheduler_look(uint32_t handle, struct reef_scheduler_look *look) {
	*look = (struct reef_scheduler_look){0};
	const struct reef_service *service = reef_handle_find(handle);
	if (service == NULL)
		return false;
	for (int i = 0, n = reef_scheduler_all_workers(); i < n; i++) {
		const struct reef_worker *worker = reef_scheduler_worker(i);
		if (atomic_load_explicit(&worker->running, memory_order_acquire) != service)
			continue;
		uint64_t now = reef_cycles(), start = reef_counter_get(&service->message_start);
		look->runs = true;
		look->source = reef_worker_message_source(worker);
		look->kind = reef_worker_message_kind(worker);
		look->seconds = now > start ? reef_cycles_to_seconds(now - start) : 0;
	}
	look->due = atomic_load_explicit(&service->inbox, memory_order_relaxed) != REEF_INBOX_IDLE;
	return true;
}

bool reef_scheduler_stopping(void) {
	return atomic_load_explicit(&stopping, memory_order_relaxed);
}

void reef_scheduler_stop(void) {
	atomic_store(&stopping, true);
}

/* A set that is too small for the machine's processors is refused; then there are many. */
static int count_processors(void) {
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : CPU_SETSIZE;
}

void reef_scheduler_init(int n) {
	reef_scheduler_limits = (struct reef_scheduler_limits){
			.slice = reef_cycles_from_us(REEF_SCHEDULER_SLICE_US),
			.spin = reef_cycles_from_us(SPIN_US),
			.surplus = reef_cycles_from_us(SURPLUS_US),
			.poll = reef_cycles_from_us(POLL_EVERY_US),
			.is_long = reef_cycles_from_us(LONG_US),
			.blind = reef_cycles_from_us(BLIND_US),
			.heavy = reef_cycles_from_us(HEAVY_US),
			.share = reef_cycles_from_us(SHARE_US),
	};
	long slow = reef_env_int("slow_message", SLOW_CS);
	reef_slow_init(slow > 0 ? reef_cycles_from_us((uint64_t)slow * 10000) : UINT64_MAX);
	reef_list_init(&parked);
	atomic_store(&stopping, false);
	atomic_store(&heavy_allowed, 0);
	atomic_store(&all_workers, 0);
	regular_workers = n;
	processors = count_processors();
	reef_scheduler_set_held(0);
	workers = reef_calloc((size_t)n + REEF_SCHEDULER_SPARES, sizeof workers[0]);
}

void reef_scheduler_fini(void) {
	for (int i = 0; i < reef_scheduler_all_workers(); i++)
		reef_free(workers[i]);
	reef_free(workers);
	workers = NULL;
	regular_workers = 0;
	atomic_store(&all_workers, 0);
}
