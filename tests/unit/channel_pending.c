/* Requests of one connection: replies stay matched whoever goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/channel/pending.h"

/* Tasks are only compared here. */
static struct reef_task *task(uintptr_t n) {
	return (struct reef_task *)(n * 16);
}

static struct reef_request *buried;

static void abandoned(struct reef_pending *pending, struct reef_request *request) {
	(void)pending;
	buried = request;
}

static void requests_come_out_in_the_order_they_went_in(void **state) {
	struct reef_pending p;
	(void)state;
	reef_pending_init(&p);
	for (uintptr_t round = 0; round < 3; round++) {
		for (uintptr_t i = 1; i <= 1000; i++)
			reef_pending_add(&p, task(i), 1)->position = i;
		assert_int_equal(p.requests, 1000);
		for (uintptr_t i = 1; i <= 1000; i++) {
			assert_ptr_equal(p.head->task, task(i));
			assert_int_equal(p.head->position, i);
			reef_pending_pop(&p);
		}
		assert_null(p.head);
		assert_int_equal(p.requests, 0);
	}
	reef_pending_fini(&p);
}

static void who_goes_away_leaves_a_tombstone_in_his_place(void **state) {
	struct reef_pending p;
	(void)state;
	reef_pending_init(&p);
	p.abandoned = abandoned;
	struct reef_request *a = reef_pending_add(&p, task(1), 1);
	struct reef_request *b = reef_pending_add(&p, task(2), 3);
	reef_pending_add(&p, task(3), 1);
	b->wait.cancel(&b->wait, task(2));
	assert_ptr_equal(buried, b);
	assert_int_equal(p.requests, 3);
	assert_int_equal(p.tombstones, 1);
	assert_ptr_equal(p.head, a);
	reef_pending_pop(&p);
	assert_null(p.head->task);
	assert_int_equal(p.head->replies, 3);
	reef_pending_pop(&p);
	assert_int_equal(p.tombstones, 0);
	assert_ptr_equal(p.head->task, task(3));
	reef_pending_fini(&p);
}

static void a_buried_request_is_counted_once(void **state) {
	struct reef_pending p;
	(void)state;
	reef_pending_init(&p);
	struct reef_request *a = reef_pending_add(&p, task(1), 1);
	reef_pending_bury(a);
	reef_pending_bury(a);
	assert_int_equal(p.tombstones, 1);
	reef_pending_add(&p, NULL, 1);
	assert_int_equal(p.tombstones, 2);
	reef_pending_fini(&p);
}

static void only_those_that_wait_can_be_due(void **state) {
	struct reef_pending p;
	(void)state;
	reef_pending_init(&p);
	assert_int_equal(reef_pending_nearest(&p), REEF_NO_DEADLINE);
	struct reef_request *a = reef_pending_add(&p, task(1), 1), *b = reef_pending_add(&p, task(2), 1);
	struct reef_request *c = reef_pending_add(&p, task(3), 1);
	reef_pending_add(&p, task(4), 1);
	a->deadline_ns = 30;
	b->deadline_ns = 10;
	c->deadline_ns = 20;
	assert_int_equal(reef_pending_nearest(&p), 10);
	assert_null(reef_pending_due(p.head, 9));
	assert_ptr_equal(reef_pending_due(p.head, 10), b);
	reef_pending_bury(b);
	assert_int_equal(reef_pending_nearest(&p), 20);
	assert_ptr_equal(reef_pending_due(p.head, 25), c);
	reef_pending_bury(c);
	reef_pending_bury(a);
	assert_null(reef_pending_due(p.head, UINT64_MAX - 1));
	assert_int_equal(reef_pending_nearest(&p), REEF_NO_DEADLINE);
	reef_pending_fini(&p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(requests_come_out_in_the_order_they_went_in),
			cmocka_unit_test(who_goes_away_leaves_a_tombstone_in_his_place),
			cmocka_unit_test(a_buried_request_is_counted_once),
			cmocka_unit_test(only_those_that_wait_can_be_due),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
