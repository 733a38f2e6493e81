/* Requests that were left unanswered. */
#include "engine.h"

#include "core/debts.h"

static void those_who_asked_hear_of_the_end_once(void **state) {
	(void)state;
	struct reef_service *asker = test_service_new();
	struct reef_debts debts = {0};
	reef_debts_add(&debts, asker->handle, 7, REEF_PTYPE_LUA);
	reef_debts_add(&debts, asker->handle, 7, REEF_PTYPE_LUA);
	reef_debts_add(&debts, asker->handle, 8, REEF_PTYPE_CLIENT);
	reef_debts_add(&debts, 0, 9, REEF_PTYPE_LUA);
	reef_debts_fail(&debts, 99);
	assert_null(debts.pairs.slots);
	int seen = 0;
	struct reef_message *m;
	while ((m = test_service_pop(asker)) != NULL) {
		assert_int_equal(m->type, REEF_PTYPE_ERROR);
		assert_int_equal(m->source, 99);
		assert_int_equal(m->flags & REEF_MESSAGE_OWN, m->session == 8 ? REEF_MESSAGE_OWN : 0);
		seen += m->session == 7 ? 1 : m->session == 8 ? 10 : 100;
		reef_message_free(m);
	}
	assert_int_equal(seen, 11);
	test_service_delete(asker);
}

/* Against a plain array. */
static void random_debts_are_the_ones_that_fail(void **state) {
	(void)state;
	enum { SESSIONS = 300, ROUNDS = 200, STEPS = 500 };
	uint64_t random = 20260101;
	struct reef_service *asker = test_service_new();
	for (int round = 0; round < ROUNDS; round++) {
		struct reef_debts debts = {0};
		bool owed[SESSIONS] = {false};
		for (int i = 0; i < STEPS; i++) {
			int session = 1 + (int)(test_random(&random) % (SESSIONS - 1));
			int type = session % 2 ? REEF_PTYPE_LUA : REEF_PTYPE_TEXT;
			owed[session] = test_random(&random) % 3 != 0;
			if (owed[session])
				reef_debts_add(&debts, asker->handle, session, type);
			else
				reef_debts_remove(&debts, asker->handle, session);
		}
		reef_debts_fail(&debts, 99);
		struct reef_message *m;
		while ((m = test_service_pop(asker)) != NULL) {
			assert_true(owed[m->session]);
			owed[m->session] = false;
			reef_message_free(m);
		}
		for (int i = 0; i < SESSIONS; i++)
			assert_false(owed[i]);
	}
	test_service_delete(asker);
}

static void memory_is_bounded_by_those_who_live(void **state) {
	(void)state;
	struct reef_service *asker = test_service_new();
	struct reef_debts debts = {0};
	for (int32_t i = 1; i < 200000; i++) {
		reef_debts_add(&debts, asker->handle, i, REEF_PTYPE_LUA);
		reef_debts_add(&debts, asker->handle + 1, i, REEF_PTYPE_LUA);
	}
	assert_true(debts.pairs.capacity <= 16384);
	reef_debts_fail(&debts, 99);
	/* What is not told one by one is told at once: session 0. */
	bool all = false;
	struct reef_message *m;
	while ((m = test_service_pop(asker)) != NULL) {
		all = all || m->session == 0;
		reef_message_free(m);
	}
	assert_true(all);
	test_service_delete(asker);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(those_who_asked_hear_of_the_end_once),
			cmocka_unit_test(random_debts_are_the_ones_that_fail),
			cmocka_unit_test(memory_is_bounded_by_those_who_live),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
