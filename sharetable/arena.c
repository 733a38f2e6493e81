/* Arenas: bump allocation in mapped segments. */
#include "arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include "core/alloc.h"

#define SEGMENT_MIN ((size_t)4 * 1024)
#define SEGMENT_MAX ((size_t)16 * 1024 * 1024)

struct reef_segment {
	struct reef_segment *next;
	size_t size; /* mapped, this header included */
};

static size_t arena_page_round(size_t size) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (size + page - 1) & ~(page - 1);
}

void reef_arena_init(struct reef_arena *arena) {
	*arena = (struct reef_arena){.lo = UINTPTR_MAX};
}

static bool grow(struct reef_arena *arena, size_t need) {
	size_t size = arena->size < SEGMENT_MIN ? SEGMENT_MIN : arena->size;
	if (size > SEGMENT_MAX)
		size = SEGMENT_MAX;
	if (need > SIZE_MAX / 2)
		return false;
	need = arena_page_round(need + sizeof(struct reef_segment));
	if (size < need)
		size = need;
	char *p = reef_try_map(size);
	if (p == NULL)
		return false;
	struct reef_segment *segment = (struct reef_segment *)(void *)p;
	segment->next = arena->segments;
	segment->size = size;
	arena->segments = segment;
	arena->free = p + sizeof(struct reef_segment);
	arena->end = p + size;
	arena->size += size;
	if ((uintptr_t)p < arena->lo)
		arena->lo = (uintptr_t)p;
	if ((uintptr_t)arena->end > arena->hi)
		arena->hi = (uintptr_t)arena->end;
	return true;
}

void *reef_arena_alloc(struct reef_arena *arena, size_t size) {
	size = (size + 7) & ~(size_t)7;
	if ((size_t)(arena->end - arena->free) < size && !grow(arena, size))
		return NULL;
	void *p = arena->free;
	arena->free += size;
	return p;
}

bool reef_arena_seal(struct reef_arena *arena) {
	struct reef_segment *last = arena->segments;
	size_t used = arena_page_round((size_t)(arena->free - (char *)last));
	if (used < last->size) {
		reef_unmap((char *)last + used, last->size - used);
		arena->size -= last->size - used;
		last->size = used;
	}
	arena->free = arena->end = NULL;
	for (struct reef_segment *s = last; s != NULL; s = s->next) {
		if (mprotect(s, s->size, PROT_READ) != 0)
			return false;
	}
	return true;
}

void reef_arena_delete(struct reef_arena *arena) {
	for (struct reef_segment *s = arena->segments, *next; s != NULL; s = next) {
		next = s->next;
		reef_unmap(s, s->size);
	}
}
