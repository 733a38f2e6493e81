/* Spare workers: threads that run services while all other workers are stuck in long messages.
 *
 * The watchdog lends one when nobody is left who looks at sockets, timers and queues, and one more when that one is stuck,
 * too; it takes them back when a regular worker has come out. They are made when they are needed first, and then sleep:
 * nothing is paid for them while nothing is stuck. Heavy services, which would only make a spare worker stuck as well,
 * are left to the regular ones, but for as many as have regular workers in their way that may never come back.
 *
 * The structs belong to the scheduler. Functions say which thread may call them.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "poller_private.h"
#include "scheduler_private.h"
#include "worker_private.h"

static pthread_t threads[REEF_SPARE_WORKERS];
static int regular, made; /* watchdog; others when it is no more */
static atomic_int heavy_allowed;

void reef_spare_init(int regular_workers) {
	regular = regular_workers;
	made = 0;
	atomic_store(&heavy_allowed, 0);
}

static void call(struct reef_worker *worker) {
	atomic_store(&worker->lent, 1);
	syscall(SYS_futex, &worker->lent, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool make(void) {
	if (made == REEF_SPARE_WORKERS)
		return false;
	struct reef_worker *worker = reef_scheduler_worker(regular + made);
	if (pthread_create(&threads[made], NULL, reef_worker_main, worker) != 0)
		return false;
	made++;
	return true;
}

/* Watchdog only. */
bool reef_spare_lend(void) {
	for (int i = 0; i < made; i++) {
		struct reef_worker *worker = reef_scheduler_worker(regular + i);
		if (atomic_load(&worker->lent) == 0) {
			call(worker);
			return true;
		}
	}
	if (made == REEF_SPARE_WORKERS)
		return false;
	if (regular + made == reef_scheduler_all_workers()) {
		struct reef_worker *worker = reef_scheduler_add_worker();
		worker->spare = true;
		atomic_store(&worker->lent, 1);
	}
	return make();
}

/* Watchdog only. */
void reef_spare_take_back(void) {
	bool any = false;
	for (int i = 0; i < made; i++)
		if (atomic_exchange(&reef_scheduler_worker(regular + i)->lent, 0) != 0)
			any = true;
	/* One of them may be waiting there. */
	if (any && reef_poller_blocked_until() != 0)
		reef_poller_kick();
}

/* Watchdog only. */
void reef_spare_allow_heavy(int n) {
	atomic_store(&heavy_allowed, n);
}

bool reef_spare_may_take_heavy(const struct reef_worker *worker) {
	return !worker->spare || atomic_load_explicit(&heavy_allowed, memory_order_relaxed) > 0;
}

bool reef_spare_takes_heavy(const struct reef_worker *worker) {
	if (!worker->spare)
		return true;
	int n = atomic_load(&heavy_allowed);
	while (n > 0)
		if (atomic_compare_exchange_weak(&heavy_allowed, &n, n - 1))
			return true;
	return false;
}

bool reef_spare_over(struct reef_worker *worker) {
	return atomic_load_explicit(&worker->lent, memory_order_relaxed) == 0;
}

void reef_spare_rest(struct reef_worker *worker) {
	while (atomic_load(&worker->lent) == 0 && !reef_scheduler_stopping())
		syscall(SYS_futex, &worker->lent, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

void reef_spare_stop(void) {
	for (int i = 0; i < made; i++) {
		call(reef_scheduler_worker(regular + i));
		reef_poller_kick();
		pthread_join(threads[i], NULL);
	}
	made = 0;
}
