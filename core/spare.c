/* Spare workers: see spare.h. The structs belong to the scheduler. */
#include "spare.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "poller.h"
#include "scheduler.h"
#include "worker_private.h"

static pthread_t threads[REEF_SCHEDULER_SPARES];
static int made; /* watchdog; others when it is no more */
static void *(*thread_main)(void *worker);

void reef_spare_init(void *(*worker_main)(void *worker)) {
	thread_main = worker_main;
	made = 0;
}

static struct reef_worker *spare_worker(int i) {
	return reef_scheduler_worker(reef_scheduler_regular_workers() + i);
}

static void call_spare(struct reef_worker *worker) {
	atomic_store(&worker->lent, 1);
	syscall(SYS_futex, &worker->lent, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool make_spare(void) {
	if (made == REEF_SCHEDULER_SPARES)
		return false;
	struct reef_worker *worker = spare_worker(made);
	if (pthread_create(&threads[made], NULL, thread_main, worker) != 0)
		return false;
	made++;
	return true;
}

bool reef_spare_lend(void) {
	for (int i = 0; i < made; i++) {
		struct reef_worker *worker = spare_worker(i);
		if (atomic_load(&worker->lent) == 0) {
			call_spare(worker);
			return true;
		}
	}
	if (made == REEF_SCHEDULER_SPARES)
		return false;
	if (reef_scheduler_regular_workers() + made == reef_scheduler_all_workers()) {
		struct reef_worker *worker = reef_scheduler_add_worker();
		worker->spare = true;
		atomic_store(&worker->lent, 1);
	}
	return make_spare();
}

void reef_spare_take_back(void) {
	bool any = false;
	for (int i = 0; i < made; i++)
		if (atomic_exchange(&spare_worker(i)->lent, 0) != 0)
			any = true;
	/* One of them may be waiting there. */
	if (any && reef_poller_blocked_until() != 0)
		reef_poller_kick();
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
		call_spare(spare_worker(i));
		reef_poller_kick();
		pthread_join(threads[i], NULL);
	}
	made = 0;
}
