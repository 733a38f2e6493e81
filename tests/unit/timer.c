/* The timer wheel, driven by a clock of the test's own. */
#include "engine.h"

#include "core/clock.h"
#include "core/message.h"
#include "core/timer.h"

#define TICK_NS 65536u
#define TIMERS 20000

static uint64_t start;
static uint64_t deadlines[TIMERS];

static int setup(void **state) {
	reef_timer_init();
	start = reef_now_ns();
	*state = test_service_new();
	return 0;
}

static int teardown(void **state) {
	test_service_delete(*state);
	return 0;
}

/* Lengths from microseconds to a year, each magnitude as likely as the others. */
static uint64_t some_length(uint64_t *seed) {
	unsigned bits = (unsigned)(test_random(seed) % 45) + 10;
	return test_random(seed) & ((UINT64_C(1) << bits) - 1);
}

static void never_early_and_never_lost(void **state) {
	struct reef_service *service = *state;
	uint64_t seed = 20261123, now = start, latest = 0;
	for (int i = 0; i < TIMERS; i++) {
		deadlines[i] = start + some_length(&seed);
		latest = deadlines[i] > latest ? deadlines[i] : latest;
		reef_timer_add(service->handle, i + 1, deadlines[i]);
	}
	int seen = 0;
	for (uint64_t before = start; seen < TIMERS; before = now) {
		assert_true(before <= latest + TICK_NS);
		now = before + 1 + some_length(&seed) % (before - start + 1000000);
		reef_timer_expire(now);
		struct reef_message *m;
		while ((m = test_service_pop(service)) != NULL) {
			assert_int_equal(m->type, REEF_PTYPE_RESPONSE);
			uint64_t deadline = deadlines[m->session - 1];
			assert_true(deadline != 0); /* not twice */
			assert_true(now >= deadline || deadline <= start + TICK_NS);
			assert_true(before <= deadline + TICK_NS); /* as soon as somebody looked */
			deadlines[m->session - 1] = 0;
			seen++;
			reef_message_free(m);
		}
	}
	assert_true(reef_timer_next() == UINT64_MAX);
}

static void equal_deadlines_keep_their_order(void **state) {
	struct reef_service *service = *state;
	uint64_t deadline = start + (UINT64_C(1) << 57);
	for (int i = 1; i <= 1000; i++)
		reef_timer_add(service->handle, i, deadline);
	assert_int_equal(reef_timer_expire(deadline + 2 * TICK_NS), 1000);
	for (int i = 1; i <= 1000; i++) {
		struct reef_message *m = test_service_pop(service);
		assert_int_equal(m->session, i);
		reef_message_free(m);
	}
}

static void a_deadline_in_the_past_is_due_at_once(void **state) {
	struct reef_service *service = *state;
	reef_timer_add(service->handle, 7, 0);
	struct reef_message *m = test_service_pop(service);
	assert_non_null(m);
	assert_int_equal(m->session, 7);
	reef_message_free(m);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(never_early_and_never_lost),
			cmocka_unit_test(equal_deadlines_keep_their_order),
			cmocka_unit_test(a_deadline_in_the_past_is_due_at_once),
	};
	int failed = cmocka_run_group_tests(tests, setup, teardown);
	reef_timer_fini();
	return failed;
}
