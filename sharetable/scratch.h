/* Scratch memory of a VM that lives for one load: taken from large blocks that go back to the system at the end, so that
 * what a load used is not left behind in the process' allocator. One thread at a time; the caller owns the struct.
 */
#ifndef REEF_SHARETABLE_SCRATCH_H
#define REEF_SHARETABLE_SCRATCH_H

#include <stddef.h>

enum { REEF_SCRATCH_CLASSES = 64 };

struct reef_scratch_block;

struct reef_scratch_heap {
	struct reef_scratch_block *blocks;
	char *free, *end;
	void *lists[REEF_SCRATCH_CLASSES]; /* freed pieces by size */
};

void reef_scratch_init(struct reef_scratch_heap *heap);
void reef_scratch_fini(struct reef_scratch_heap *heap);
/* A lua_Alloc; `heap` is the userdata. */
void *reef_scratch_alloc(void *heap, void *p, size_t old, size_t size);

#endif
