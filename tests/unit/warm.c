/* Notes of what a service's next slice will want. */
#include "engine.h"

#include "core/warm.h"

#define SIZE ((size_t)1 << 20)

static bool has(const struct reef_warm *warm, const void *p) {
	intptr_t block = ((intptr_t)p & -REEF_WARM_BLOCK) - ((intptr_t)warm & -REEF_WARM_BLOCK);
	for (unsigned i = 0; i < warm->count; i++)
		if (warm->block[i] * REEF_WARM_BLOCK == block)
			return warm->wanted[i] >> ((intptr_t)p % REEF_WARM_BLOCK / REEF_LINE) & 1;
	return false;
}

/* With SIZE bytes behind it: what is too far away is not noted. */
static struct reef_warm *warm_new(char **memory) {
	struct reef_warm *warm = reef_aligned_alloc(REEF_LINE, sizeof *warm + SIZE);
	*memory = (char *)(warm + 1);
	return memset(warm, 0, sizeof *warm);
}

static void every_line_of_what_is_noted_is_there_once(void **state) {
	(void)state;
	char *memory;
	struct reef_warm *warm = warm_new(&memory);
	uint64_t seed = 1;
	for (int round = 0; round < 1000; round++) {
		const char *p = memory + test_random(&seed) % (SIZE - 1024);
		size_t size = 1 + test_random(&seed) % 1000;
		size_t lines = ((uintptr_t)p + size - 1) / REEF_LINE - (uintptr_t)p / REEF_LINE + 1;
		reef_warm_clear(warm);
		reef_warm_note(warm, p, size);
		assert_int_equal(warm->lines, lines);
		for (size_t i = 0; i < size; i++)
			assert_true(has(warm, p + i));
		reef_warm_note(warm, p, size);
		assert_int_equal(warm->lines, lines);
		reef_warm_fetch(warm);
	}
	reef_free(warm);
}

static void there_is_an_end_to_notes(void **state) {
	(void)state;
	char *memory;
	struct reef_warm *warm = warm_new(&memory);
	reef_warm_note(warm, memory, SIZE);
	assert_int_equal(warm->lines, REEF_WARM_LINES);
	reef_warm_note(warm, memory + SIZE / 2, 1);
	assert_int_equal(warm->lines, REEF_WARM_LINES);
	reef_free(warm);
}

static void lines_that_lie_apart_are_noted_as_long_as_there_is_room(void **state) {
	(void)state;
	char *memory;
	struct reef_warm *warm = warm_new(&memory);
	for (int i = 0; i < 2 * REEF_WARM_BLOCKS; i++) {
		const char *p = memory + (i * 37 % 100) * 4096;
		assert_int_equal(reef_warm_is_full(warm), i >= REEF_WARM_BLOCKS);
		reef_warm_note(warm, p, 1);
		assert_int_equal(has(warm, p), i < REEF_WARM_BLOCKS);
	}
	/* A block that is known has room for its other lines. */
	reef_warm_note(warm, (const char *)((intptr_t)memory & -REEF_WARM_BLOCK), REEF_WARM_BLOCK);
	assert_int_equal(warm->lines, REEF_WARM_BLOCKS + 7);
	reef_warm_clear(warm);
	assert_false(has(warm, memory));
	assert_false(reef_warm_is_full(warm));
	reef_free(warm);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(every_line_of_what_is_noted_is_there_once),
			cmocka_unit_test(there_is_an_end_to_notes),
			cmocka_unit_test(lines_that_lie_apart_are_noted_as_long_as_there_is_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
