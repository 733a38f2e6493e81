/* Stacks of their own: what a function keeps stays, whichever thread goes on with it. */
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/fiber.h"

enum { FIBERS = 64, PARKS = 200, THREADS = 3, ROUNDS = 5 };

struct work {
	unsigned seed;
	int parks;
	uint64_t result;
	struct reef_fiber *fiber;
};

/* A sum over random numbers, part of it in a buffer on the stack and part in registers and a double. */
static uint64_t step(uint64_t *state) {
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void work_run(void *ud) {
	struct work *w = ud;
	uint64_t state = w->seed, sum = 0;
	double product = 1;
	unsigned char bytes[2048];
	for (int i = 0; i < w->parks; i++) {
		memset(bytes, (int)(step(&state) & 255), sizeof bytes);
		uint64_t before = bytes[step(&state) % sizeof bytes];
		product = product * 1.0009765625 + (double)before;
		struct reef_fiber *self = reef_fiber_current();
		assert_ptr_equal(self, w->fiber);
		reef_fiber_park(self);
		assert_ptr_equal(reef_fiber_current(), self);
		sum += bytes[step(&state) % sizeof bytes] + before;
	}
	w->result = sum + (uint64_t)product;
}

static uint64_t expected(unsigned seed, int parks) {
	uint64_t state = seed, sum = 0;
	double product = 1;
	for (int i = 0; i < parks; i++) {
		uint64_t byte = step(&state) & 255;
		step(&state);
		product = product * 1.0009765625 + (double)byte;
		step(&state);
		sum += 2 * byte;
	}
	return sum + (uint64_t)product;
}

static void a_function_goes_on_where_it_was(void **ignored) {
	(void)ignored;
	struct reef_fiber_pool pool = {.size = 65536};
	for (int parks = 0; parks < 5; parks++) {
		struct work w = {.seed = 7, .parks = parks};
		w.fiber = reef_fiber_take(&pool, work_run, &w);
		for (int i = 0; i < parks; i++)
			assert_false(reef_fiber_resume(&pool, w.fiber));
		assert_null(reef_fiber_current());
		assert_true(reef_fiber_resume(&pool, w.fiber));
		assert_int_equal(w.result, expected(7, parks));
	}
	assert_int_equal(pool.idle_count, 1);
	reef_fiber_pool_fini(&pool);
	assert_int_equal(pool.idle_count, 0);
}

/* ---- many, on several threads that take turns with one pool, as workers do with a service ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_fiber_pool shared = {.size = 65536};
static struct work works[FIBERS];
static int left;
static uint64_t chance;

static void *resume_any(void *unused) {
	(void)unused;
	pthread_mutex_lock(&lock);
	while (left > 0) {
		struct work *w = &works[step(&chance) % FIBERS];
		if (w->fiber && reef_fiber_resume(&shared, w->fiber)) {
			w->fiber = NULL;
			left--;
		}
		pthread_mutex_unlock(&lock);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void any_thread_goes_on_with_any_of_them(void **ignored) {
	(void)ignored;
	int counted = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < FIBERS; i++) {
			works[i] = (struct work){.seed = round * FIBERS + i, .parks = (int)((round * 31 + i * 17) % PARKS)};
			works[i].fiber = reef_fiber_take(&shared, work_run, &works[i]);
			assert_non_null(works[i].fiber);
		}
		left = FIBERS;
		pthread_t threads[THREADS];
		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, resume_any, NULL);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		for (unsigned i = 0; i < FIBERS; i++) {
			assert_int_equal(works[i].result, expected(works[i].seed, works[i].parks));
			counted++;
		}
	}
	assert_int_equal(counted, ROUNDS * FIBERS);
	reef_fiber_pool_fini(&shared);
}

/* ---- what else a call keeps ---- */

static void round_up(void *ud) {
	volatile double one = 1, three = 3;
	fesetround(FE_UPWARD);
	double *quotients = ud;
	quotients[0] = one / three;
	reef_fiber_park(reef_fiber_current());
	quotients[1] = one / three;
}

static void the_rounding_of_numbers_is_each_ones_own(void **ignored) {
	(void)ignored;
	volatile double one = 1, three = 3;
	double quotients[2], here = one / three;
	struct reef_fiber_pool pool = {.size = 65536};
	struct reef_fiber *fiber = reef_fiber_take(&pool, round_up, quotients);
	assert_false(reef_fiber_resume(&pool, fiber));
	assert_true(one / three == here);
	assert_true(reef_fiber_resume(&pool, fiber));
	assert_true(quotients[0] > here && quotients[1] == quotients[0]);
	reef_fiber_pool_fini(&pool);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_function_goes_on_where_it_was),
			cmocka_unit_test(any_thread_goes_on_with_any_of_them),
			cmocka_unit_test(the_rounding_of_numbers_is_each_ones_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
