/* Huge pages: what the allocator maps is marked for them while there are many services, and for none from then on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/huge_pages.h"

enum { BLOCK = 4096, BLOCKS = 8192 };

static void *blocks[BLOCKS];

/* How many bytes the process has in mappings with that flag (proc(5), VmFlags). */
static size_t mapped_with(const char *flag) {
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	size_t size = 0, all = 0;
	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL) {
		(void)sscanf(line, "Size: %zu kB", &size);
		if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, flag) != NULL)
			all += size << 10;
	}
	(void)fclose(file);
	return all;
}

static void fill(size_t from, size_t to) {
	for (size_t i = from; i < to; i++) {
		blocks[i] = reef_malloc(BLOCK);
		memset(blocks[i], 1, BLOCK);
	}
}

/* jemalloc's, where it is the allocator. */
extern __attribute__((weak)) int mallctl(const char *, void *, size_t *, void *, size_t);

static bool can_be(void) {
	return mallctl != NULL && access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
}

static void they_begin_and_end_with_many_services(void **state) {
	(void)state;
	if (!can_be())
		skip();
	size_t half = (size_t)BLOCKS / 2 * BLOCK;
	reef_huge_pages_grew(REEF_HUGE_PAGES_MANY - 1);
	fill(0, BLOCKS / 2);
	assert_int_equal(mapped_with(" hg"), 0);
	reef_huge_pages_grew(REEF_HUGE_PAGES_MANY);
	fill(BLOCKS / 2, BLOCKS);
	size_t huge = mapped_with(" hg"), small = mapped_with(" nh");
	assert_true(huge >= half / 2);
	reef_huge_pages_shrank(REEF_HUGE_PAGES_MANY - 1);
	assert_int_equal(mapped_with(" hg"), huge);
	reef_huge_pages_shrank(REEF_HUGE_PAGES_MANY / 2);
	assert_int_equal(mapped_with(" hg"), 0);
	assert_int_equal(mapped_with(" nh"), small + huge);
	reef_huge_pages_grew(REEF_HUGE_PAGES_MANY);
	assert_int_equal(mapped_with(" hg"), huge);
	for (int i = 0; i < BLOCKS; i++)
		reef_free(blocks[i]);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(they_begin_and_end_with_many_services)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
