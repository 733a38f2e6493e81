/* Arenas: where frozen data lives. Memory is only ever taken from one, and given back all at once.
 *
 * An arena is a chain of mapped segments that start small and double, so that a small one costs a page and a large one
 * few mappings. While it is being filled one thread owns it; sealing trims it and makes its pages read-only, and from then
 * on any thread may read. Deleting it unmaps it.
 */
#ifndef REEF_SHARETABLE_ARENA_H
#define REEF_SHARETABLE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_segment;

struct reef_arena {
	struct reef_segment *segments; /* the one being filled comes first */
	char *free, *end;
	size_t size;      /* bytes mapped */
	uintptr_t lo, hi; /* all of it lies within; others' memory may, too */
};

void reef_arena_init(struct reef_arena *arena);
/* Aligned to 8 bytes, zeroed. NULL when out of memory. */
void *reef_arena_alloc(struct reef_arena *arena, size_t size);
/* False when out of memory: nothing has changed, delete it then. */
bool reef_arena_seal(struct reef_arena *arena);
/* Unmaps everything. */
void reef_arena_delete(struct reef_arena *arena);

static inline bool reef_arena_near(const struct reef_arena *arena, const void *p) {
	return (uintptr_t)p - arena->lo < arena->hi - arena->lo;
}

#endif
