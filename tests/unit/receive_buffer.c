/* Received bytes and the lines in them. */
#include "engine.h"

#include "socket/lua/buffer.h"

static void what_goes_in_comes_out_however_it_is_cut(void **state) {
	(void)state;
	uint64_t seed = 7;
	struct reef_buffer b = {0};
	unsigned char in = 0, out = 0;
	size_t pushed = 0, popped = 0;
	while (popped < 3000000) {
		unsigned char bytes[5000];
		size_t n = test_random(&seed) % sizeof bytes;
		for (size_t i = 0; i < n; i++)
			bytes[i] = in++;
		assert_true(reef_buffer_append(&b, bytes, n));
		pushed += n;
		n = test_random(&seed) % (reef_buffer_size(&b) + 1);
		for (size_t i = 0; i < n; i++)
			assert_int_equal((unsigned char)reef_buffer_bytes(&b)[i], out++);
		reef_buffer_drop(&b, n);
		popped += n;
		assert_int_equal(reef_buffer_size(&b), pushed - popped);
	}
	reef_buffer_clear(&b);
}

static void a_drained_buffer_keeps_no_large_block(void **state) {
	(void)state;
	struct reef_buffer b = {0};
	char *bytes = calloc(1, 1 << 20);
	assert_true(reef_buffer_append(&b, bytes, 1 << 20));
	reef_buffer_drop(&b, 1 << 20);
	assert_true(b.room <= 4096);
	reef_buffer_clear(&b);
	free(bytes);
}

static void an_impossible_size_is_refused_and_nothing_is_lost(void **state) {
	(void)state;
	struct reef_buffer b = {0};
	assert_true(reef_buffer_append(&b, "abc", 3));
	assert_null(reef_buffer_reserve(&b, SIZE_MAX - 8));
	assert_int_equal(reef_buffer_size(&b), 3);
	assert_memory_equal(reef_buffer_bytes(&b), "abc", 3);
	reef_buffer_clear(&b);
}

static void a_separator_is_found_at_every_cut(void **state) {
	(void)state;
	static const char text[] = "a\r\rb\n\r\nc";
	for (size_t cut = 0; cut <= 8; cut++) {
		size_t scanned = 0;
		size_t at = reef_buffer_find(text, cut, "\r\n", 2, &scanned);
		if (cut < 7)
			assert_int_equal(at, SIZE_MAX);
		assert_int_equal(reef_buffer_find(text, 8, "\r\n", 2, &scanned), 5);
	}
}

static void looking_again_does_not_look_at_everything_again(void **state) {
	(void)state;
	char text[100];
	memset(text, 'x', sizeof text);
	size_t scanned = 0;
	assert_int_equal(reef_buffer_find(text, sizeof text, "abc", 3, &scanned), SIZE_MAX);
	assert_int_equal(scanned, 98);
	assert_int_equal(reef_buffer_find("ab", 2, "abc", 3, &(size_t){0}), SIZE_MAX);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(what_goes_in_comes_out_however_it_is_cut),
			cmocka_unit_test(a_drained_buffer_keeps_no_large_block),
			cmocka_unit_test(an_impossible_size_is_refused_and_nothing_is_lost),
			cmocka_unit_test(a_separator_is_found_at_every_cut),
			cmocka_unit_test(looking_again_does_not_look_at_everything_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
