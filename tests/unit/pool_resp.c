/* Where RESP replies end: reef_pool_resp. */
#include "engine.h"

#include "core/histogram.h"
#include "drivers/pool/frame.h"

static enum reef_frame scan(struct reef_frames *frames, const char *bytes, size_t n) {
	/* An exact copy, so that a sanitizer sees a read beyond the end. */
	char *copy = malloc(n ? n : 1);
	memcpy(copy, bytes, n);
	enum reef_frame found = reef_pool_resp.scan(frames, copy, n);
	free(copy);
	return found;
}

static const char *const replies[] = {
		"+OK\r\n",
		"-ERR no\r\n",
		":42\r\n",
		":-1\r\n",
		"$0\r\n\r\n",
		"$5\r\nhello\r\n",
		"$6\r\na\r\nb\r\n\r\n",
		"$-1\r\n",
		"*-1\r\n",
		"*0\r\n",
		"*3\r\n:1\r\n$1\r\nx\r\n+s\r\n",
		"*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n$-1\r\n",
		"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
		"~2\r\n#t\r\n#f\r\n",
		",1.5\r\n",
		"(123456789012345678901234567890\r\n",
		"_\r\n",
		"=7\r\ntxt:abc\r\n",
		"!6\r\nERR no\r\n",
		"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
		">2\r\n+message\r\n+x\r\n:1\r\n",
		":+5\r\n",
		":-9223372036854775808\r\n",
		"*2\r\n|1\r\n+a\r\n*1\r\n-b\r\n:1\r\n!3\r\nERR\r\n",
		"*2\r\n>1\r\n:1\r\n:2\r\n",
		"%1\r\n|0\r\n$1\r\nk\r\n|1\r\n+x\r\n+y\r\n$1\r\nv\r\n",
		"*1\r\n-ERR inside\r\n",
};
#define REPLIES (sizeof(replies) / sizeof(*replies))

static void every_type_ends_where_it_ends_however_it_is_cut(void **state) {
	(void)state;
	for (size_t i = 0; i < REPLIES; i++) {
		size_t n = strlen(replies[i]);
		for (size_t cut = 0; cut < n; cut++) {
			struct reef_frames frames = {.limit = 1 << 20};
			reef_pool_resp.begin(&frames, 1);
			assert_int_equal(scan(&frames, replies[i], cut), REEF_FRAME_INCOMPLETE);
			assert_int_equal(scan(&frames, replies[i], n), REEF_FRAME_COMPLETE);
			assert_int_equal(frames.at, n);
		}
		/* Byte by byte, and with the next reply behind it. */
		struct reef_frames frames = {.limit = 1 << 20};
		char both[256];
		size_t size = (size_t)snprintf(both, sizeof both, "%s%s", replies[i], replies[(i + 1) % REPLIES]);
		reef_pool_resp.begin(&frames, 1);
		enum reef_frame found = REEF_FRAME_INCOMPLETE;
		for (size_t k = 1; k <= size && found == REEF_FRAME_INCOMPLETE; k++)
			found = scan(&frames, both, k);
		assert_int_equal(found, REEF_FRAME_COMPLETE);
		assert_int_equal(frames.at, n);
	}
}

static void several_replies_are_one_answer(void **state) {
	(void)state;
	struct reef_frames frames = {.limit = 1 << 20};
	static const char bytes[] = "+QUEUED\r\n-ERR a\r\n*1\r\n:1\r\n$1\r\nx\r\n";
	reef_pool_resp.begin(&frames, 4);
	assert_int_equal(scan(&frames, bytes, sizeof(bytes) - 2), REEF_FRAME_INCOMPLETE);
	assert_int_equal(scan(&frames, bytes, sizeof(bytes) - 1), REEF_FRAME_COMPLETE);
	assert_int_equal(frames.at, sizeof(bytes) - 1);
	assert_int_equal(frames.error, 1);
}

static void what_is_larger_than_the_limit_is_bad(void **state) {
	(void)state;
	static const char three[] = "$4\r\nabcd\r\n$4\r\nabcd\r\n$4\r\nabcd\r\n", large[] = "$16\r\n0123456789abcdef\r\n";
	for (uint32_t expect = 2; expect <= 3; expect++) {
		struct reef_frames frames = {.limit = 15};
		reef_pool_resp.begin(&frames, expect);
		assert_int_equal(scan(&frames, three, sizeof(three) - 1), expect == 2 ? REEF_FRAME_COMPLETE : REEF_FRAME_BAD);
	}
	struct reef_frames frames = {.limit = 15};
	reef_pool_resp.begin(&frames, 1);
	assert_int_equal(scan(&frames, large, sizeof(large) - 1), REEF_FRAME_BAD);
}

static void what_nobody_asked_for_is_bad_unless_it_is_a_push(void **state) {
	(void)state;
	struct reef_frames frames = {.limit = 1 << 20};
	reef_pool_resp.begin(&frames, 0);
	assert_int_equal(scan(&frames, "+OK\r\n", 5), REEF_FRAME_BAD);
	reef_pool_resp.begin(&frames, 0);
	static const char push[] = ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n";
	assert_int_equal(scan(&frames, push, sizeof(push) - 1), REEF_FRAME_COMPLETE);
	assert_int_equal(frames.at, sizeof(push) - 1);
}

static void on_a_stream_a_push_is_what_one_waits_for(void **state) {
	(void)state;
	static const char *const said[] = {">3\r\n+message\r\n+ch\r\n$2\r\nhi\r\n", "*2\r\n+pong\r\n+\r\n", "+PONG\r\n",
									   "-ERR no\r\n"};
	char all[256] = "";
	for (size_t i = 0; i < 4; i++)
		strcat(all, said[i]);
	const char *at = all;
	for (size_t i = 0; i < 4; i++) {
		struct reef_frames frames = {.limit = 1 << 20, .stream = true};
		reef_pool_resp.begin(&frames, 1);
		for (size_t cut = 0; cut < strlen(said[i]); cut++)
			assert_int_equal(scan(&frames, at, cut), REEF_FRAME_INCOMPLETE);
		assert_int_equal(scan(&frames, at, strlen(at)), REEF_FRAME_COMPLETE);
		assert_int_equal(frames.at, strlen(said[i]));
		at += frames.at;
	}
}

static void bytes_that_are_no_reply_are_bad(void **state) {
	(void)state;
	static const char *const bad[] = {
			"hello\r\n",
			"$5\r\nhelloXY",
			"$x\r\n",
			"$-2\r\n",
			"*-5\r\n",
			"$99999999999999999999\r\n",
			"$5\rX\r\n",
			"+a\rb\r\n",
			"+a\nb\r\n",
			"$05\r\nhello\r\n",
			":05\r\n",
			":-0\r\n",
			":++5\r\n",
			":+\r\n",
			"$+5\r\nhello\r\n",
			"*01\r\n:1\r\n",
			":9223372036854775808\r\n",
			",1.5x\r\n",
			"#x\r\n",
			"_x\r\n",
			"(1a\r\n",
			"=3\r\nabc\r\n",
			"*2\r\n+a\r\n?",
			"$2000000\r\n",
			"*\r\n",
			"\r\n",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct reef_frames frames = {.limit = 1 << 20};
		reef_pool_resp.begin(&frames, 1);
		assert_int_equal(scan(&frames, bad[i], strlen(bad[i])), REEF_FRAME_BAD);
		assert_non_null(frames.why);
	}
}

static void a_long_string_says_how_many_bytes_it_needs(void **state) {
	(void)state;
	struct reef_frames frames = {.limit = 1 << 20};
	reef_pool_resp.begin(&frames, 1);
	assert_int_equal(scan(&frames, "$100000\r\nabc", 12), REEF_FRAME_INCOMPLETE);
	assert_int_equal(frames.need, 9 + 100000 + 2);
}

static void a_quantile_is_at_most_a_quarter_too_high(void **state) {
	(void)state;
	static struct reef_histogram histogram;
	for (uint64_t v = 1; v <= 100000; v++)
		reef_histogram_add(&histogram, v);
	for (int percent = 1; percent <= 100; percent++) {
		uint64_t exact = (uint64_t)percent * 1000, got = reef_histogram_quantile(&histogram, percent / 100.0);
		assert_true(got >= exact);
		assert_true(got <= exact + exact / 4);
	}
	assert_true(reef_histogram_bucket(UINT64_MAX) < REEF_HISTOGRAM_BUCKETS);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(every_type_ends_where_it_ends_however_it_is_cut),
			cmocka_unit_test(several_replies_are_one_answer),
			cmocka_unit_test(what_is_larger_than_the_limit_is_bad),
			cmocka_unit_test(what_nobody_asked_for_is_bad_unless_it_is_a_push),
			cmocka_unit_test(on_a_stream_a_push_is_what_one_waits_for),
			cmocka_unit_test(bytes_that_are_no_reply_are_bad),
			cmocka_unit_test(a_long_string_says_how_many_bytes_it_needs),
			cmocka_unit_test(a_quantile_is_at_most_a_quarter_too_high),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
