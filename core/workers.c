/* The threads of the workers: see workers.h. */
#include "workers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "alloc.h"
#include "cpu_ticks.h"
#include "poller.h"
#include "scheduler.h"
#include "slice.h"
#include "spare.h"
#include "watchdog.h"
#include "worker.h"
#include "worker_private.h"
#include "world.h"

static pthread_t *threads;

static void *worker_main(void *p) {
	struct reef_worker *worker = p;
	char name[16];
	snprintf(name, sizeof name, "%s %d", worker->spare ? "spare" : "worker", worker->index);
	prctl(PR_SET_NAME, name);
	clockid_t clock;
	if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
		atomic_store(&worker->cpu_clock, clock);
	prctl(PR_SET_TIMERSLACK, 1); /* timers must not wait for others to be due */
	reef_slice_set_worker(worker);
	reef_cpu_ticks_join();
	reef_worker_run(worker);
	reef_cpu_ticks_leave();
	reef_slice_set_worker(NULL);
	return NULL;
}

void reef_workers_start(int n) {
	reef_scheduler_init(n);
	reef_world_init();
	reef_spare_init(worker_main);
	threads = reef_calloc((size_t)n, sizeof threads[0]);
	for (int i = 0; i < n; i++)
		reef_scheduler_add_worker();
	for (int i = 0; i < n; i++) {
		if (pthread_create(&threads[i], NULL, worker_main, reef_scheduler_worker(i)) != 0) {
			fprintf(stderr, "reef: cannot start worker thread %d\n", i);
			exit(1);
		}
	}
	reef_watchdog_start();
}

static void wake_all(void) {
	while (reef_scheduler_wake_parked())
		;
	reef_poller_kick();
}

void reef_workers_stop(void) {
	reef_scheduler_stop();
	/* From here on nobody lends spare workers. */
	reef_watchdog_stop();
	wake_all();
	for (int i = 0; i < reef_scheduler_regular_workers(); i++) {
		pthread_join(threads[i], NULL);
		/* A worker that was on its way to bed has been joined by now or sees that it shall stop; wake whoever came after. */
		wake_all();
	}
	reef_spare_stop();
	reef_scheduler_fini();
	reef_free(threads);
	reef_slice_set_worker(NULL);
}
