/* Promises of the table of open sessions (core/host/session.c): each number finds what it was added with, whatever came and
 * went in between, and the memory of a rush is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/host/session.h"

static struct reef_sessions table;

static int tear_down(void **state) {
	(void)state;
	reef_session_fini(&table);
	return 0;
}

static void *mark(int32_t session) {
	return (void *)(intptr_t)session;
}

static void expect(int32_t session) {
	const struct reef_session *entry = reef_session_find(&table, session);
	assert_non_null(entry);
	assert_int_equal(entry->session, session);
	assert_ptr_equal(entry->ptr, mark(session));
}

static void what_was_added_is_found_until_it_is_removed(void **state) {
	(void)state;
	enum { WINDOW = 5000, ROUNDS = 200000 };
	static int32_t open[WINDOW];
	int count = 0;
	int32_t next = INT32_MAX - ROUNDS / 4; /* wraps on the way */
	srand(7);
	for (int i = 0; i < ROUNDS; i++) {
		if (count < WINDOW && rand() % 2) {
			reef_session_add(&table, next, SESSION_CALL, mark(next));
			open[count++] = next;
			next = next == INT32_MAX ? 1 : next + 1;
		} else if (count > 0) {
			int k = rand() % count;
			expect(open[k]);
			reef_session_remove(&table, reef_session_find(&table, open[k]));
			assert_null(reef_session_find(&table, open[k]));
			open[k] = open[--count];
		}
		assert_int_equal(table.count, count);
	}
	for (int k = 0; k < count; k++)
		expect(open[k]);
}

static void entries_have_small_indexes_that_are_used_again(void **state) {
	(void)state;
	for (int32_t s = 1; s <= 100000; s++) {
		const struct reef_session *entry = reef_session_add(&table, s, SESSION_SLEEP, mark(s));
		assert_in_range(reef_session_index(&table, entry), 0, 1);
		if (s > 1)
			reef_session_remove(&table, reef_session_find(&table, s - 1));
	}
	assert_in_range(table.capacity, 1, 16);
}

static void the_memory_of_a_rush_is_given_back(void **state) {
	(void)state;
	for (int32_t s = 1; s <= 100000; s++)
		reef_session_add(&table, s, SESSION_FUNCTION, NULL);
	for (int32_t s = 100000; s >= 1; s--)
		reef_session_remove(&table, reef_session_find(&table, s));
	assert_int_equal(table.capacity, 0);
	assert_null(reef_session_find(&table, 1));
	reef_session_add(&table, 5, SESSION_CALL, mark(5));
	expect(5);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test_teardown(what_was_added_is_found_until_it_is_removed, tear_down),
			cmocka_unit_test_teardown(entries_have_small_indexes_that_are_used_again, tear_down),
			cmocka_unit_test_teardown(the_memory_of_a_rush_is_given_back, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
