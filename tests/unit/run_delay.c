/* Two threads that share one processor have to wait for it, and are told for how long. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/run_delay.h"

#define LENGTH_NS UINT64_C(400000000)

static size_t processor;
static atomic_int ready;

struct turn {
	uint64_t waited_ns;
	int refused;
};

/* Has this thread run at all, as the kernel counts? */
static bool is_counted(void) {
	unsigned long long ran = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "r");
	bool counted = file && fscanf(file, "%llu", &ran) == 1 && ran > 0;
	if (file)
		fclose(file);
	return counted;
}

static void *use_it(void *p) {
	struct turn *turn = p;
	struct reef_run_delay delay;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	turn->refused = pthread_setaffinity_np(pthread_self(), sizeof one, &one);
	reef_run_delay_begin(&delay);
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < 2)
		sched_yield();
	(void)reef_run_delay_ask(&delay);
	uint64_t start = reef_now_ns();
	while (reef_now_ns() - start < LENGTH_NS)
		;
	turn->waited_ns = reef_run_delay_ask(&delay);
	turn->refused |= delay.fd < 0 || !is_counted();
	reef_run_delay_end(&delay);
	return NULL;
}

static void test_two_share_one(void **state) {
	(void)state;
	cpu_set_t set;
	assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
	while (!CPU_ISSET(processor, &set))
		processor++;
	struct turn turns[2];
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_it, &turns[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	if (turns[0].refused || turns[1].refused)
		skip();
	/* They were there together for most of the time: one of them always waited. */
	uint64_t waited = turns[0].waited_ns + turns[1].waited_ns;
	assert_true(waited >= LENGTH_NS / 4);
}

static void test_without_it(void **state) {
	(void)state;
	struct reef_run_delay delay = {.fd = -1};
	assert_int_equal(reef_run_delay_ask(&delay), 0);
	reef_run_delay_end(&delay);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(test_two_share_one),
			cmocka_unit_test(test_without_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
