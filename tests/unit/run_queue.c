/* Run queues: one owner, several thieves. */
#include "engine.h"

#include <pthread.h>

#include "core/run_queue.h"

#define ITEMS 200000
#define THIEVES 3

static struct reef_run_queue *shared;
static struct reef_service *items;
static atomic_int taken[ITEMS];
static atomic_bool done;

static void take(struct reef_service *service) {
	atomic_fetch_add(&taken[service - items], 1);
}

static struct reef_run_queue *queue_new(void) {
	void *p = aligned_alloc(64, sizeof(struct reef_run_queue));
	assert_non_null(p);
	return memset(p, 0, sizeof(struct reef_run_queue));
}

static void *thief(void *p) {
	(void)p;
	struct reef_run_queue *own = queue_new();
	struct reef_service *service;
	while (!atomic_load(&done)) {
		if ((service = reef_run_queue_steal(own, shared)) != NULL)
			take(service);
		while ((service = reef_run_queue_pop(own)) != NULL)
			take(service);
	}
	free(own);
	return NULL;
}

static void everything_is_taken_exactly_once(void **state) {
	(void)state;
	shared = queue_new();
	items = reef_calloc(ITEMS, sizeof *items);
	pthread_t threads[THIEVES];
	for (int i = 0; i < THIEVES; i++)
		pthread_create(&threads[i], NULL, thief, NULL);
	uint64_t seed = 1;
	struct reef_service *service;
	for (int i = 0; i < ITEMS; i++) {
		reef_run_queue_push(shared, &items[i]);
		if (test_random(&seed) % 3 == 0 && (service = reef_run_queue_pop(shared)) != NULL)
			take(service);
	}
	while ((service = reef_run_queue_pop(shared)) != NULL || (service = reef_global_queue_pop()) != NULL)
		take(service);
	atomic_store(&done, true);
	for (int i = 0; i < THIEVES; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(atomic_load(&taken[i]), 1);
	free(shared);
	reef_free(items);
}

static void what_does_not_fit_goes_to_the_process(void **state) {
	(void)state;
	struct reef_run_queue *queue = queue_new();
	struct reef_service *services = reef_calloc(REEF_RUN_QUEUE_SIZE + 2, sizeof *services);
	for (int i = 0; i < REEF_RUN_QUEUE_SIZE + 2; i++)
		reef_run_queue_push(queue, &services[i]);
	assert_ptr_equal(reef_global_queue_pop(), &services[REEF_RUN_QUEUE_SIZE]);
	assert_ptr_equal(reef_global_queue_pop(), &services[REEF_RUN_QUEUE_SIZE + 1]);
	assert_null(reef_global_queue_pop());
	for (int i = 0; i < REEF_RUN_QUEUE_SIZE; i++)
		assert_ptr_equal(reef_run_queue_pop(queue), &services[i]);
	assert_true(reef_run_queue_empty(queue));
	free(queue);
	reef_free(services);
}

static void the_process_keeps_the_order_of_any_number(void **state) {
	(void)state;
	enum { N = 5000 };
	struct reef_service *services = reef_calloc(N, sizeof *services);
	int pushed = 0, popped = 0;
	/* Two steps ahead, one back: the ring grows while it is wrapped around. */
	while (popped < N) {
		for (int i = 0; i < 2 && pushed < N; i++)
			reef_global_queue_push(&services[pushed++]);
		assert_ptr_equal(reef_global_queue_pop(), &services[popped++]);
	}
	assert_true(reef_global_queue_empty());
	reef_free(services);
}

static void who_takes_from_the_process_leaves_half_to_others(void **state) {
	(void)state;
	struct reef_run_queue *queue = queue_new();
	struct reef_service *services = reef_calloc(11, sizeof *services);
	assert_null(reef_global_queue_take(queue));
	for (int i = 0; i < 11; i++)
		reef_global_queue_push(&services[i]);
	assert_ptr_equal(reef_global_queue_take(queue), &services[0]);
	for (unsigned i = 0; i < 5; i++)
		assert_ptr_equal(reef_run_queue_peek(queue, i), &services[1 + i]);
	assert_null(reef_run_queue_peek(queue, 5));
	for (int i = 6; i < 11; i++)
		assert_ptr_equal(reef_global_queue_pop(), &services[i]);
	free(queue);
	reef_free(services);
}

static void what_is_taken_in_time_stands_behind_what_is_there(void **state) {
	(void)state;
	struct reef_run_queue *queue = queue_new();
	struct reef_service *services = reef_calloc(9, sizeof *services);
	reef_global_queue_refill(queue);
	assert_true(reef_run_queue_empty(queue));
	for (int i = 0; i < 2; i++)
		reef_run_queue_push(queue, &services[i]);
	for (int i = 2; i < 8; i++)
		reef_global_queue_push(&services[i]);
	reef_global_queue_refill(queue);
	reef_run_queue_push(queue, &services[8]);
	for (int i = 0; i < 5; i++)
		assert_ptr_equal(reef_run_queue_pop(queue), &services[i]);
	assert_ptr_equal(reef_run_queue_pop(queue), &services[8]);
	for (int i = 5; i < 8; i++)
		assert_ptr_equal(reef_global_queue_pop(), &services[i]);
	free(queue);
	reef_free(services);
}

static void heavy_services_have_a_queue_of_their_own(void **state) {
	(void)state;
	struct reef_service *services = reef_calloc(3, sizeof *services);
	reef_heavy_queue_push(&services[0]);
	reef_global_queue_push(&services[1]);
	reef_heavy_queue_push(&services[2]);
	assert_ptr_equal(reef_global_queue_pop(), &services[1]);
	assert_true(reef_global_queue_empty());
	assert_ptr_equal(reef_heavy_queue_pop(), &services[0]);
	assert_ptr_equal(reef_heavy_queue_pop(), &services[2]);
	assert_null(reef_heavy_queue_pop());
	assert_true(reef_heavy_queue_empty());
	reef_free(services);
}

static void *taker(void *p) {
	while (!atomic_load(&done))
		reef_run_queue_give_up(p);
	return NULL;
}

static void what_is_given_up_by_others_is_lost_nowhere(void **state) {
	(void)state;
	shared = queue_new();
	items = reef_calloc(ITEMS, sizeof *items);
	for (int i = 0; i < ITEMS; i++)
		atomic_store(&taken[i], 0);
	atomic_store(&done, false);
	pthread_t threads[2];
	pthread_create(&threads[0], NULL, taker, shared);
	pthread_create(&threads[1], NULL, thief, NULL);
	uint64_t seed = 7;
	struct reef_service *service;
	for (int i = 0; i < ITEMS; i++) {
		reef_run_queue_push(shared, &items[i]);
		if (test_random(&seed) % 3 == 0 && (service = reef_run_queue_pop(shared)) != NULL)
			take(service);
		if (test_random(&seed) % 5 == 0 && (service = reef_global_queue_pop()) != NULL)
			take(service);
	}
	while ((service = reef_run_queue_pop(shared)) != NULL)
		take(service);
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	while ((service = reef_global_queue_pop()) != NULL)
		take(service);
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(atomic_load(&taken[i]), 1);
	free(shared);
	reef_free(items);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(everything_is_taken_exactly_once),
			cmocka_unit_test(what_does_not_fit_goes_to_the_process),
			cmocka_unit_test(the_process_keeps_the_order_of_any_number),
			cmocka_unit_test(who_takes_from_the_process_leaves_half_to_others),
			cmocka_unit_test(what_is_taken_in_time_stands_behind_what_is_there),
			cmocka_unit_test(heavy_services_have_a_queue_of_their_own),
			cmocka_unit_test(what_is_given_up_by_others_is_lost_nowhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
