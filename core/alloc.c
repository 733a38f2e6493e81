/* The process' allocator: see alloc.h. Built without jemalloc (sanitizers, -DREEF_JEMALLOC=OFF) it is plain malloc. */
#include "alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef REEF_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

void reef_alloc_give_up(size_t size) {
	/* Nothing here may allocate; another thread may hold the lock of stderr. */
	char line[64];
	int n = snprintf(line, sizeof line, "reef: out of memory (%zu bytes wanted)\n", size);
	(void)!write(STDERR_FILENO, line, (size_t)n);
	_exit(REEF_EXIT_NO_MEMORY);
}

static void *check(void *p, size_t size) {
	if (p == NULL && size > 0)
		reef_alloc_give_up(size);
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
	/* jemalloc finds out last that there is nothing. */
	if (p)
		free(p);
}

bool (*reef_alloc_fails)(size_t size);
static size_t mapped;

static bool fails(size_t size) {
	bool (*asked)(size_t) = __atomic_load_n(&reef_alloc_fails, __ATOMIC_RELAXED);
	return __builtin_expect(asked != NULL, 0) && asked(size);
}

inline void *reef_try_malloc(size_t size) {
	return fails(size) ? NULL : malloc(size);
}

inline void *reef_try_realloc(void *p, size_t size) {
	return fails(size) ? NULL : realloc(p, size);
}

char *reef_try_strdup(const char *s) {
	size_t size = strlen(s) + 1;
	char *copy = reef_try_malloc(size);
	return copy == NULL ? NULL : memcpy(copy, s, size);
}

void *reef_try_map(size_t size) {
	if (fails(size))
		return NULL;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	__atomic_fetch_add(&mapped, size, __ATOMIC_RELAXED);
	return p;
}

void *reef_try_remap(void *p, size_t old, size_t size) {
	if (size > old && fails(size))
		return NULL;
	void *moved = mremap(p, old, size, MREMAP_MAYMOVE);
	if (moved == MAP_FAILED)
		return NULL;
	__atomic_fetch_add(&mapped, size - old, __ATOMIC_RELAXED);
	return moved;
}

void reef_unmap(void *p, size_t size) {
	if (p != NULL && munmap(p, size) == 0)
		__atomic_fetch_sub(&mapped, size, __ATOMIC_RELAXED);
}

size_t reef_mapped(void) {
	return __atomic_load_n(&mapped, __ATOMIC_RELAXED);
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

void reef_alloc_start_giving_back(void) {
#ifdef REEF_JEMALLOC
	size_t most = 1;
	bool on = true;
	/* Refused where jemalloc was built without it: memory is given back less soon, that is all. */
	(void)mallctl("max_background_threads", NULL, NULL, &most, sizeof most);
	(void)mallctl("background_thread", NULL, NULL, &on, sizeof on);
#endif
}

void reef_alloc_do_alike(void) {
#ifdef REEF_JEMALLOC
	/* What is free goes back to the system after a while: not by the clock. */
	ssize_t never = -1;
	(void)mallctl("arena.0.dirty_decay_ms", NULL, NULL, &never, sizeof never);
	(void)mallctl("arena.0.muzzy_decay_ms", NULL, NULL, &never, sizeof never);
#endif
}
