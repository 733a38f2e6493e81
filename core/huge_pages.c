/* See huge_pages.h. What jemalloc gets from the system it keeps for good, in ever larger pieces, so there are few of them. */
#include "huge_pages.h"

#ifdef REEF_JEMALLOC

#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define MOST 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool wanted, installed;
static struct piece {
	void *address;
	size_t size;
} pieces[MOST];
static size_t count;

static extent_hooks_t *stock; /* of jemalloc itself, for all arenas */

static void advise(const struct piece *piece) {
	(void)madvise(piece->address, piece->size, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void *map(extent_hooks_t *hooks, void *address, size_t size, size_t alignment, bool *zero, bool *commit,
				 unsigned arena) {
	(void)hooks;
	void *p = stock->alloc(stock, address, size, alignment, zero, commit, arena);
	if (p == NULL || size < HUGE_PAGE)
		return p;
	pthread_mutex_lock(&lock);
	if (count < MOST) {
		pieces[count] = (struct piece){p, size};
		if (wanted)
			advise(&pieces[count]);
		count++;
	}
	pthread_mutex_unlock(&lock);
	return p;
}

static unsigned arena_count(void) {
	unsigned arenas = 0;
	size_t size = sizeof arenas;
	uint64_t epoch = 1; /* which of them are initialized is told as of the last one */
	(void)mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
	(void)mallctl("arenas.narenas", &arenas, &size, NULL, 0);
	return arenas;
}

static void install(void) {
	static extent_hooks_t own;
	extent_hooks_t *hooks = &own;
	size_t size = sizeof stock;
	if (mallctl("arena.0.extent_hooks", &stock, &size, NULL, 0) != 0)
		return;
	own = *stock;
	own.alloc = map;
	for (unsigned i = 0, n = arena_count(); i < n; i++) {
		char name[64];
		bool initialized = false;
		size = sizeof initialized;
		(void)snprintf(name, sizeof name, "arena.%u.initialized", i);
		(void)mallctl(name, &initialized, &size, NULL, 0);
		(void)snprintf(name, sizeof name, "arena.%u.extent_hooks", i);
		if (initialized)
			(void)mallctl(name, NULL, NULL, &hooks, sizeof hooks);
	}
}

static void want(bool huge) {
	pthread_mutex_lock(&lock);
	bool first = huge && !installed;
	installed = installed || huge;
	wanted = huge;
	for (size_t i = 0; i < count; i++)
		advise(&pieces[i]);
	pthread_mutex_unlock(&lock);
	if (first)
		install();
}

void reef_huge_pages_grew(size_t services) {
	if (services == REEF_HUGE_PAGES_MANY)
		want(true);
}

void reef_huge_pages_shrank(size_t services) {
	if (services == REEF_HUGE_PAGES_MANY / 2)
		want(false);
}

#else

void reef_huge_pages_grew(size_t services) {
	(void)services;
}

void reef_huge_pages_shrank(size_t services) {
	(void)services;
}

#endif
