/* Blocks for copies: nobody's lies in another's, they are used again, and the memory goes back with the last. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/host/copy_blocks.h"

/* ThreadSanitizer looks at each byte that is written. */
#ifdef __SANITIZE_THREAD__
enum { STEPS = 4000 };
#else
enum { STEPS = 20000 };
#endif
enum { MOST = 300, THREADS = 4 };

struct walk {
	struct reef_copy_blocks *blocks;
	size_t size;
	uint64_t state;
	bool whole;
};

static size_t choose(struct walk *walk, size_t n) {
	walk->state ^= walk->state << 13;
	walk->state ^= walk->state >> 7;
	walk->state ^= walk->state << 17;
	return (size_t)(walk->state % n);
}

static bool is_all(const unsigned char *block, size_t size, unsigned char c) {
	return block[0] == c && block[size / 2] == c && block[size - 1] == c;
}

/* Takes and gives back at random; each block keeps what was written into it. */
static void *go(void *p) {
	struct walk *walk = p;
	unsigned char *held[MOST];
	size_t count = 0, most = 1 + choose(walk, MOST);
	walk->whole = true;
	for (int i = 0; i < STEPS; i++) {
		if (i % (STEPS / 5) == 0)
			most = 1 + choose(walk, MOST);
		bool takes = count < most && choose(walk, 2) == 0;
		if (takes && (held[count] = reef_copy_blocks_take(walk->blocks)) != NULL) {
			memset(held[count], (int)((uintptr_t)held[count] >> 6) & 0xff, walk->size);
			count++;
		} else if (count > 0) {
			size_t at = choose(walk, count);
			walk->whole = walk->whole && is_all(held[at], walk->size, (unsigned char)((uintptr_t)held[at] >> 6));
			reef_copy_blocks_give_back(held[at]);
			held[at] = held[--count];
		}
	}
	while (count > 0)
		reef_copy_blocks_give_back(held[--count]);
	return NULL;
}

static void walk_with_size(size_t size, uint64_t seed) {
	size_t mapped = reef_copy_blocks_mapped(), all = reef_mapped();
	struct reef_copy_blocks *blocks = reef_copy_blocks_new(size, NULL, 0);
	struct walk walks[THREADS];
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) {
		walks[i] = (struct walk){.blocks = blocks, .size = size, .state = seed + (uint64_t)i};
		assert_int_equal(pthread_create(&threads[i], NULL, go, &walks[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_true(walks[i].whole);
	}
	/* What is kept for the next one is bounded. */
	assert_true(reef_copy_blocks_mapped() - mapped <= (size_t)2 << 20);
	reef_copy_blocks_let_go(blocks);
	assert_int_equal(reef_copy_blocks_mapped(), mapped);
	assert_int_equal(reef_mapped(), all);
}

static void nothing_is_mixed_up(void **state) {
	(void)state;
	static const size_t sizes[] = {64, 100, 4096, 17632, 20480, 65536, 260000};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		walk_with_size(sizes[i], 0x2545F4914F6CDD1D + i);
}

static void one_after_the_other_gets_the_same(void **state) {
	(void)state;
	struct reef_copy_blocks *blocks = reef_copy_blocks_new(18000, NULL, 0);
	void *first = reef_copy_blocks_take(blocks);
	for (int i = 0; i < 1000; i++) {
		reef_copy_blocks_give_back(first);
		assert_ptr_equal(reef_copy_blocks_take(blocks), first);
	}
	/* Who has let go of the pool may still have blocks. */
	size_t mapped = reef_copy_blocks_mapped();
	reef_copy_blocks_let_go(blocks);
	memset(first, 1, 18000);
	assert_int_equal(reef_copy_blocks_mapped(), mapped);
	reef_copy_blocks_give_back(first);
	assert_true(reef_copy_blocks_mapped() < mapped);
}

/* An empty chunk that was kept may be one that nobody will give a block back to. */
static void nothing_stays_of_a_pool_that_is_let_go_while_some_have_blocks(void **state) {
	(void)state;
	struct walk walk = {.state = 0x9E3779B97F4A7C15};
	for (int i = 0; i < 200; i++) {
		size_t mapped = reef_copy_blocks_mapped(), all = reef_mapped();
		size_t per_chunk = 1 + choose(&walk, 8), count = 0, n = per_chunk * (1 + choose(&walk, 4)) + choose(&walk, 3);
		struct reef_copy_blocks *blocks = reef_copy_blocks_new(((size_t)2 << 20) / per_chunk - 256, NULL, 0);
		void *held[64];
		while (count < n)
			assert_non_null(held[count++] = reef_copy_blocks_take(blocks));
		/* The oldest first, the newest first, or any. */
		for (size_t left = choose(&walk, n + 1), way = choose(&walk, 3); count > left; count--) {
			size_t at = way == 0 ? 0 : way == 1 ? count - 1 : choose(&walk, count);
			reef_copy_blocks_give_back(held[at]);
			memmove(&held[at], &held[at + 1], (count - at - 1) * sizeof(*held));
		}
		reef_copy_blocks_let_go(blocks);
		while (count > 0)
			reef_copy_blocks_give_back(held[--count]);
		assert_int_equal(reef_copy_blocks_mapped(), mapped);
		assert_int_equal(reef_mapped(), all);
	}
}

static bool fails(size_t size) {
	(void)size;
	return true;
}

static void without_memory_there_is_none(void **state) {
	(void)state;
	struct reef_copy_blocks *blocks = reef_copy_blocks_new(1000, NULL, 0);
	reef_alloc_fails = fails;
	assert_null(reef_copy_blocks_take(blocks));
	reef_alloc_fails = NULL;
	void *block = reef_copy_blocks_take(blocks);
	assert_non_null(block);
	reef_copy_blocks_give_back(block);
	reef_copy_blocks_let_go(blocks);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(nothing_is_mixed_up),
			cmocka_unit_test(one_after_the_other_gets_the_same),
			cmocka_unit_test(nothing_stays_of_a_pool_that_is_let_go_while_some_have_blocks),
			cmocka_unit_test(without_memory_there_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
