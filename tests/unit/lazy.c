/* Where a service that is woken within a slice is put. */
#include "engine.h"

#include "core/cycles.h"
#include "core/scheduler.h"
#include "core/service.h"
#include "core/slice.h"
#include "core/worker_private.h"

static struct reef_worker *worker;
static struct reef_service *running, *first, *second, *lazy;

static int begin(void **state) {
	(void)state;
	reef_cycles_calibrate();
	reef_scheduler_init(1);
	worker = reef_scheduler_add_worker();
	reef_slice_set_worker(worker);
	running = test_service_new();
	first = test_service_new();
	second = test_service_new();
	lazy = test_service_new();
	reef_service_set_lazy(lazy, true);
	atomic_store(&worker->running, running);
	return 0;
}

static int end(void **state) {
	(void)state;
	reef_slice_set_worker(NULL);
	reef_scheduler_fini();
	struct reef_service *services[] = {running, first, second, lazy};
	for (int i = 0; i < 4; i++)
		test_service_delete(services[i]);
	return 0;
}

static void a_lazy_service_runs_after_those_that_wait_already(void **state) {
	(void)state;
	reef_scheduler_schedule(first);
	reef_scheduler_schedule(second);
	reef_scheduler_schedule(lazy);
	assert_ptr_equal(atomic_load(&worker->next), second);
	assert_ptr_equal(reef_run_queue_pop(&worker->queue), first);
	assert_ptr_equal(reef_run_queue_pop(&worker->queue), lazy);
	assert_null(reef_run_queue_pop(&worker->queue));
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test_setup_teardown(a_lazy_service_runs_after_those_that_wait_already, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
