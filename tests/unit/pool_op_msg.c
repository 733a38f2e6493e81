/* Where MongoDB's replies end, and whose they are: reef_pool_op_msg. */
#include "engine.h"

#include "drivers/bson/writer.h"
#include "drivers/mongo/wire.h"
#include "drivers/pool/frame.h"

enum { ID = 77, LIMIT = 4096 };

static enum reef_frame scan(struct reef_frames *frames, const uint8_t *bytes, size_t n) {
	/* An exact copy, so that a sanitizer sees a read beyond the end. */
	char *copy = malloc(n ? n : 1);
	memcpy(copy, bytes, n);
	enum reef_frame found = reef_pool_op_msg.scan(frames, copy, n);
	free(copy);
	return found;
}

static struct reef_frames expect(uint32_t id) {
	struct reef_frames frames = {.limit = LIMIT};
	reef_pool_op_msg.begin(&frames, id);
	return frames;
}

/* A reply to ID whose document is {ok: <8 bytes of `ok`>}: its size. */
static size_t write_reply(uint8_t *p, double ok) {
	static const uint8_t element[] = {1, 'o', 'k', 0};
	const size_t document = 4 + sizeof(element) + 8 + 1, size = REEF_WIRE_HEADER + 4 + 1 + document;
	memset(p, 0, size);
	reef_wire_put_header(p, size, 1, ID, 0);
	reef_put32(p + 21, (uint32_t)document);
	memcpy(p + 25, element, sizeof(element));
	memcpy(p + 25 + sizeof(element), &ok, sizeof(ok));
	return size;
}

static void a_reply_ends_where_it_says_however_it_is_cut(void **state) {
	(void)state;
	uint8_t bytes[128];
	size_t n = write_reply(bytes, 1);
	memcpy(bytes + n, bytes, n);
	for (size_t cut = 0; cut < n; cut++) {
		struct reef_frames frames = expect(ID);
		assert_int_equal(scan(&frames, bytes, cut), REEF_FRAME_INCOMPLETE);
		assert_true(frames.need > cut && frames.need <= n);
		assert_int_equal(scan(&frames, bytes, 2 * n), REEF_FRAME_COMPLETE);
		assert_int_equal(frames.at, n);
	}
}

static void a_reply_that_says_no_is_counted(void **state) {
	(void)state;
	uint8_t bytes[128];
	for (int ok = 0; ok <= 1; ok++) {
		struct reef_frames frames = expect(ID);
		size_t n = write_reply(bytes, ok);
		assert_int_equal(scan(&frames, bytes, n), REEF_FRAME_COMPLETE);
		assert_int_equal(frames.error, !ok);
	}
}

static void check_bad(uint32_t id, size_t at, uint32_t value) {
	uint8_t bytes[128];
	size_t n = write_reply(bytes, 1);
	struct reef_frames frames = expect(id);
	reef_put32(bytes + at, value);
	assert_int_equal(scan(&frames, bytes, n), REEF_FRAME_BAD);
	assert_non_null(frames.why);
}

static void a_reply_to_another_request_or_to_none_is_bad(void **state) {
	(void)state;
	check_bad(ID, 8, ID + 1);
	check_bad(ID, 8, 0);
	check_bad(0, 8, ID);
	check_bad(0, 8, 0);
}

static void lengths_kinds_and_streams_that_cannot_be_are_bad(void **state) {
	(void)state;
	check_bad(ID, 0, 0);
	check_bad(ID, 0, 25);
	check_bad(ID, 0, LIMIT + 1);
	check_bad(ID, 0, 0xffffffff);
	check_bad(ID, 12, 1);
	check_bad(ID, 16, REEF_WIRE_MORE_TO_COME);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_reply_ends_where_it_says_however_it_is_cut),
			cmocka_unit_test(a_reply_that_says_no_is_counted),
			cmocka_unit_test(a_reply_to_another_request_or_to_none_is_bad),
			cmocka_unit_test(lengths_kinds_and_streams_that_cannot_be_are_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
