/* The process' allocator: see alloc.h. Built without jemalloc (sanitizers, -DREEF_JEMALLOC=OFF) it is plain malloc. */
#include "alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef REEF_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

static void *check(void *p, size_t size) {
	if (p == NULL && size > 0) {
		fprintf(stderr, "reef: out of memory (%zu bytes wanted)\n", size);
		abort();
	}
	return p;
}

void *reef_malloc(size_t size) {
	return check(malloc(size), size);
}

void *reef_calloc(size_t count, size_t size) {
	return check(calloc(count, size), count * size);
}

void *reef_realloc(void *p, size_t size) {
	return check(realloc(p, size), size);
}

void *reef_aligned_alloc(size_t alignment, size_t size) {
	size = (size + alignment - 1) & ~(alignment - 1);
	return check(aligned_alloc(alignment, size), size);
}

char *reef_strdup(const char *s) {
	size_t size = strlen(s) + 1;
	return memcpy(reef_malloc(size), s, size);
}

void reef_free(void *p) {
	free(p);
}

void *reef_try_malloc(size_t size) {
	return malloc(size);
}

void *reef_try_realloc(void *p, size_t size) {
	return realloc(p, size);
}

void reef_free_sized(void *p, size_t size) {
#ifdef REEF_JEMALLOC
	if (p != NULL)
		sdallocx(p, size, 0);
#else
	(void)size;
	free(p);
#endif
}
