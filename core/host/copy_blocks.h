/* Blocks of memory for copies of one image: all of one size, side by side, so that none of it is lost between them. A
 * block that comes back is the next one's, whose pages need not be made again. Any thread. */
#ifndef REEF_COPY_BLOCKS_H
#define REEF_COPY_BLOCKS_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define reef_copy_poison(p, size) ASAN_POISON_MEMORY_REGION(p, size)
#define reef_copy_unpoison(p, size) ASAN_UNPOISON_MEMORY_REGION(p, size)
#else
#define reef_copy_poison(p, size) ((void)(p), (void)(size))
#define reef_copy_unpoison(p, size) ((void)(p), (void)(size))
#endif

struct reef_copy_blocks;

/* Blocks of `size` bytes, which is rounded up to a multiple of 64. What lies in them refers to `common`, which is unmapped
 * with the last of them; NULL: to nothing. */
struct reef_copy_blocks *reef_copy_blocks_new(size_t size, void *common, size_t common_size);
/* No more blocks are taken: frees it when the last one has come back. */
void reef_copy_blocks_let_go(struct reef_copy_blocks *blocks);

/* A block, its content undefined; NULL: no memory. */
void *reef_copy_blocks_take(struct reef_copy_blocks *blocks);
void reef_copy_blocks_give_back(void *block);

/* Bytes of all blocks that somebody has. */
size_t reef_copy_blocks_used(void);
/* Bytes that all of them have from the system; pages that no block was in yet count, too, but cost nothing. */
size_t reef_copy_blocks_mapped(void);

#endif
