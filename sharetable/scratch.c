/* Scratch memory: small pieces from blocks, with a free list a size; large ones are mappings of their own. */
#include "scratch.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"

#define GRAIN 16
#define SMALL_MAX ((size_t)REEF_SCRATCH_CLASSES * GRAIN)
#define BLOCK_SIZE ((size_t)1024 * 1024)

struct reef_scratch_block {
	struct reef_scratch_block *next;
	char padding[GRAIN - sizeof(void *)];
};

void reef_scratch_init(struct reef_scratch_heap *heap) {
	memset(heap, 0, sizeof(*heap));
}

void reef_scratch_fini(struct reef_scratch_heap *heap) {
	for (struct reef_scratch_block *block = heap->blocks, *next; block != NULL; block = next) {
		next = block->next;
		reef_unmap(block, BLOCK_SIZE);
	}
}

static size_t scratch_page_round(size_t size) {
	return (size + 4095) & ~(size_t)4095;
}

static void *take_small(struct reef_scratch_heap *heap, size_t size) {
	size_t class = (size - 1) / GRAIN;
	void *p = heap->lists[class];
	if (p != NULL) {
		memcpy(&heap->lists[class], p, sizeof(void *));
		return p;
	}
	size = (class + 1) * GRAIN;
	if ((size_t)(heap->end - heap->free) < size) {
		struct reef_scratch_block *block = reef_try_map(BLOCK_SIZE);
		if (block == NULL)
			return NULL;
		block->next = heap->blocks;
		heap->blocks = block;
		heap->free = (char *)(block + 1);
		heap->end = (char *)block + BLOCK_SIZE;
	}
	p = heap->free;
	heap->free += size;
	return p;
}

static void *take(struct reef_scratch_heap *heap, size_t size) {
	if (size <= SMALL_MAX)
		return take_small(heap, size);
	return size > SIZE_MAX / 2 ? NULL : reef_try_map(scratch_page_round(size));
}

static void give(struct reef_scratch_heap *heap, void *p, size_t size) {
	if (size > SMALL_MAX) {
		reef_unmap(p, scratch_page_round(size));
	} else if (size > 0) {
		size_t class = (size - 1) / GRAIN;
		memcpy(p, &heap->lists[class], sizeof(void *));
		heap->lists[class] = p;
	}
}

void *reef_scratch_alloc(void *ud, void *p, size_t old, size_t size) {
	struct reef_scratch_heap *heap = ud;
	if (size == 0) {
		if (p != NULL)
			give(heap, p, old);
		return NULL;
	}
	if (p == NULL)
		return take(heap, size);
	if (old <= SMALL_MAX && size <= SMALL_MAX && (old - 1) / GRAIN == (size - 1) / GRAIN)
		return p;
	if (old > SMALL_MAX && size > SMALL_MAX && size <= SIZE_MAX / 2) {
		void *moved = reef_try_remap(p, scratch_page_round(old), scratch_page_round(size));
		/* Lua counts on shrinking to succeed. */
		return moved != NULL || size > old ? moved : p;
	}
	void *moved = take(heap, size);
	if (moved == NULL)
		return NULL;
	memcpy(moved, p, old < size ? old : size);
	give(heap, p, old);
	return moved;
}
