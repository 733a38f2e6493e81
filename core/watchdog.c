/* The watchdog: see watchdog.h. */
#include "watchdog.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "cycles.h"
#include "epoch.h"
#include "log.h"
#include "mailbox.h"
#include "pace.h"
#include "poller.h"
#include "scheduler.h"
#include "service_life.h"
#include "service_private.h"
#include "slow.h"
#include "spare.h"
#include "worker_private.h"

#define STUCK_NS 20000000u      /* in one message, before its mailbox is counted */
#define ENDLESS_NS 5000000000u  /* in one message, before it is reported, again and again */
#define MOURN_NS 20000000u      /* grace for a service that is to end, before those who wait for it hear of its end */
#define INTERRUPT_NS 100000000u /* grace for a service that is to end */
#define RELEASE_NS 1000000000u  /* for each end of one: it runs finalizers and <close> variables */
#define LOST_NS 100000000u      /* in one message, before a worker's share of heavy services goes to spare ones */

/* What was seen of a worker. */
struct watched {
	uint64_t progress;
	uint64_t age_ns;      /* of the message that it is in */
	uint64_t reported_ns; /* its age when it was last reported */
};

static pthread_t thread;
static atomic_bool stop;
static atomic_int awake; /* futex */
static struct watched *watched;

static void watch_message(struct reef_worker *worker, struct watched *w, struct reef_service *running) {
	if (reef_service_ending(running) && w->age_ns >= MOURN_NS)
		reef_service_mourn(running);
	uint64_t grace = atomic_load_explicit(&worker->releasing, memory_order_relaxed) ? RELEASE_NS : INTERRUPT_NS;
	if (reef_service_ending(running) && w->age_ns >= grace)
		reef_service_signal_service(running, 0);
	if (w->age_ns >= STUCK_NS)
		reef_mailbox_watch(running);
	if (w->age_ns < w->reported_ns + ENDLESS_NS)
		return;
	w->reported_ns = w->age_ns;
	atomic_store(&running->endless, true);
	reef_log_at(REEF_LOG_WARN, 0, "A message from [ :%08x ] to [ :%08x ] maybe in an endless loop (version = %llu)",
				reef_worker_message_source(worker), running->handle, (unsigned long long)w->progress);
}

static uint64_t age_of_message(const struct reef_service *running) {
	uint64_t start = reef_counter_get(&running->message_start), now = reef_cycles();
	return now > start ? (uint64_t)(reef_cycles_to_seconds(now - start) * 1e9) : 0;
}

/* Is it in a long message? */
static bool is_stuck(struct reef_worker *worker, struct watched *w, bool *any) {
	struct reef_service *running = atomic_load(&worker->running);
	uint64_t progress = atomic_load_explicit(&worker->progress, memory_order_relaxed);
	if (progress != w->progress) {
		*any = true;
		*w = (struct watched){.progress = progress};
	}
	w->age_ns = running ? age_of_message(running) : 0;
	if (w->age_ns < REEF_PACE_LONG_NS)
		return false;
	reef_scheduler_expose(worker);
	watch_message(worker, w, running);
	return true;
}

/* Nobody is left: lends a worker, or does at least what a thread can do that may run no service. */
static void stand_in(void) {
	if (reef_spare_lend())
		return;
	reef_poller_poll(REEF_POLL_LOOK);
	/* A worker that came out meanwhile found the poller held and went to bed. */
	reef_scheduler_wake_one();
}

static struct reef_pace_look look_at_workers(void) {
	int regular = reef_scheduler_regular_workers(), free_regular = 0, free_spare = 0, working = 0, held = 0;
	bool any = false;
	for (int i = 0, n = reef_scheduler_all_workers(); i < n; i++) {
		struct reef_worker *worker = reef_scheduler_worker(i);
		/* One that has just begun with a heavy service counts as stuck already: if the spare worker went at the end of
		 * each slice of such a service, all others would wait for the next look. */
		bool is_held =
				is_stuck(worker, &watched[i], &any) || atomic_load_explicit(&worker->heavy, memory_order_relaxed);
		if (is_held) {
			held++;
			working += watched[i].age_ns < LOST_NS;
		} else if (!worker->spare) {
			free_regular++;
		} else if (atomic_load(&worker->lent) != 0) {
			free_spare++;
		}
	}
	struct reef_pace_look look = {.any = any, .busy = reef_scheduler_busy_workers() > 0, .held = held > 0};
	reef_scheduler_set_held(held);
	if (free_regular > 0)
		reef_spare_take_back();
	if (held == 0)
		return look;
	int may_be_heavy = regular - free_regular - working;
	reef_scheduler_allow_heavy(may_be_heavy > 0 ? may_be_heavy : 0);
	if (free_regular + free_spare == 0)
		stand_in();
	else if (!reef_poller_is_held() || !reef_global_queue_empty() || !reef_heavy_queue_empty())
		reef_scheduler_wake_one();
	return look;
}

static void sleep_until_noticed(void) {
	atomic_store(&awake, 0);
	while (atomic_load(&awake) == 0 && reef_scheduler_busy_workers() == 0 && !atomic_load(&stop))
		syscall(SYS_futex, &awake, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	atomic_store(&awake, 1);
}

static void *watchdog_main(void *p) {
	(void)p;
	prctl(PR_SET_NAME, "watchdog");
	struct reef_pace pace = {0};
	while (!atomic_load(&stop)) {
		struct timespec pause = {.tv_nsec = (long)reef_pace_pause_ns(&pace)};
		nanosleep(&pause, NULL);
		reef_epoch_enter();
		struct reef_pace_look look = look_at_workers();
		reef_slow_age();
		reef_epoch_leave();
		if (reef_pace_note(&pace, look))
			sleep_until_noticed();
	}
	return NULL;
}

void reef_watchdog_notice(void) {
	if (atomic_load(&awake) != 0)
		return;
	if (atomic_exchange(&awake, 1) == 0)
		syscall(SYS_futex, &awake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void reef_watchdog_start(void) {
	atomic_store(&stop, false);
	atomic_store(&awake, 1);
	watched = reef_calloc((size_t)reef_scheduler_regular_workers() + REEF_SCHEDULER_SPARES, sizeof watched[0]);
	if (pthread_create(&thread, NULL, watchdog_main, NULL) != 0) {
		fprintf(stderr, "reef: cannot start the watchdog thread\n");
		exit(1);
	}
}

void reef_watchdog_stop(void) {
	atomic_store(&stop, true);
	atomic_store(&awake, 1);
	syscall(SYS_futex, &awake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	pthread_join(thread, NULL);
	reef_free(watched);
	watched = NULL;
}
