/* Blocks for copies: see copy_blocks.h.
 *
 * They lie in chunks, at whose beginning an aligned header leads from a block to its chunk. A chunk that is empty goes back
 * to the system, but for a pool's last one, which keeps some pages: services that come and go one by one need no new
 * ones. Where there are thousands of services in turn, each finds the addresses of its pages in no cache; so many lie in huge
 * pages, if the system has some to give. */
#include "copy_blocks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "core/alloc.h"
#include "core/list.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define note_chunk(p) __lsan_register_root_region(p, CHUNK)
#define forget_chunk(p) __lsan_unregister_root_region(p, CHUNK)
#else
#define note_chunk(p) ((void)(p))
#define forget_chunk(p) ((void)(p))
#endif

#define CHUNK ((size_t)2 << 20)  /* a huge page, where there are such */
#define MANY ((size_t)16)        /* chunks: of so many, one that is nearly empty is little */
#define KEPT ((size_t)128 << 10) /* bytes of an empty chunk that are not given back */
#define LINE ((size_t)64)

struct free_block {
	struct free_block *next;
};

struct chunk {
	struct reef_copy_blocks *blocks;
	struct reef_link link; /* while it has room */
	struct free_block *free;
	size_t used;  /* blocks */
	size_t begun; /* bytes behind which nothing was taken yet */
	size_t most;  /* `begun`, at most, since pages were given back */
};

_Static_assert(sizeof(struct chunk) <= 2 * LINE, "the first block begins behind it");

struct reef_copy_blocks {
	pthread_mutex_t lock;
	struct reef_list roomy; /* chunks */
	size_t size;            /* of a block */
	size_t used;            /* blocks, in all chunks */
	bool gone;
	void *common; /* what they refer to, or NULL */
	size_t common_size;
};

static size_t mapped, used;

/* ---- chunks; under the lock ---- */

static bool has_room(const struct chunk *chunk) {
	return chunk->free != NULL || chunk->begun + chunk->blocks->size <= CHUNK;
}

static struct chunk *map_chunk(bool of_huge_pages) {
	char *p = reef_try_map(2 * CHUNK);
	if (p == NULL)
		return NULL;
	size_t before = -(uintptr_t)p & (CHUNK - 1);
	if (before > 0)
		reef_unmap(p, before);
	reef_unmap(p + before + CHUNK, CHUNK - before);
	if (of_huge_pages)
		madvise(p + before, CHUNK, MADV_HUGEPAGE);
	note_chunk(p + before);
	__atomic_fetch_add(&mapped, CHUNK, __ATOMIC_RELAXED);
	return (void *)(p + before);
}

static void unmap_chunk(struct chunk *chunk) {
	forget_chunk(chunk);
	reef_copy_unpoison(chunk, CHUNK);
	reef_unmap(chunk, CHUNK);
	__atomic_fetch_sub(&mapped, CHUNK, __ATOMIC_RELAXED);
}

static void empty_chunk(struct chunk *chunk) {
	chunk->free = NULL;
	chunk->begun = 2 * LINE;
	if (chunk->most > KEPT)
		madvise((char *)chunk + KEPT, CHUNK - KEPT, MADV_DONTNEED);
	chunk->most = 0;
}

static struct chunk *new_chunk(struct reef_copy_blocks *blocks) {
	struct chunk *chunk = map_chunk(blocks->used * blocks->size >= MANY * CHUNK);
	if (chunk) {
		chunk->blocks = blocks;
		empty_chunk(chunk);
		reef_list_push(&blocks->roomy, &chunk->link);
	}
	return chunk;
}

static bool is_last(const struct reef_copy_blocks *blocks, const struct chunk *chunk) {
	return blocks->roomy.head.next == &chunk->link && chunk->link.next == &blocks->roomy.head;
}

/* The empty one that was the last with room, if it is there: others may have got room since. */
static void unmap_kept(struct reef_copy_blocks *blocks) {
	struct chunk *chunk = reef_list_entry(reef_list_first(&blocks->roomy), struct chunk, link);
	while (chunk && chunk->used > 0)
		chunk = reef_list_entry(reef_list_next(&blocks->roomy, &chunk->link), struct chunk, link);
	if (chunk) {
		reef_link_remove(&chunk->link);
		unmap_chunk(chunk);
	}
}

static void *take_from(struct chunk *chunk) {
	void *block = chunk->free;
	if (block) {
		reef_copy_unpoison(block, chunk->blocks->size);
		chunk->free = chunk->free->next;
	} else {
		block = (char *)chunk + chunk->begun;
		reef_copy_unpoison(block, chunk->blocks->size);
		chunk->begun += chunk->blocks->size;
		chunk->most = chunk->begun > chunk->most ? chunk->begun : chunk->most;
	}
	chunk->used++;
	if (!has_room(chunk))
		reef_link_remove(&chunk->link);
	return block;
}

static void give_back_to(struct chunk *chunk, struct free_block *block) {
	if (!has_room(chunk))
		reef_list_push(&chunk->blocks->roomy, &chunk->link);
	reef_copy_unpoison(block, sizeof(*block)); /* what the VM has freed of it is poisoned */
	block->next = chunk->free;
	chunk->free = block;
	reef_copy_poison(block, chunk->blocks->size);
	chunk->used--;
}

/* ---- blocks ---- */

struct reef_copy_blocks *reef_copy_blocks_new(size_t size, void *common, size_t common_size) {
	struct reef_copy_blocks *blocks = reef_calloc(1, sizeof(*blocks));
	pthread_mutex_init(&blocks->lock, NULL);
	reef_list_init(&blocks->roomy);
	blocks->size = (size + LINE - 1) & ~(LINE - 1);
	blocks->common = common;
	blocks->common_size = common_size;
	return blocks;
}

static void delete (struct reef_copy_blocks *blocks) {
	reef_unmap(blocks->common, blocks->common_size);
	pthread_mutex_destroy(&blocks->lock);
	reef_free(blocks);
}

void reef_copy_blocks_let_go(struct reef_copy_blocks *blocks) {
	pthread_mutex_lock(&blocks->lock);
	blocks->gone = true;
	bool is_over = blocks->used == 0;
	unmap_kept(blocks);
	pthread_mutex_unlock(&blocks->lock);
	if (is_over)
		delete (blocks);
}

void *reef_copy_blocks_take(struct reef_copy_blocks *blocks) {
	bool (*fails)(size_t size) = __atomic_load_n(&reef_alloc_fails, __ATOMIC_RELAXED);
	if (fails && fails(blocks->size))
		return NULL;
	pthread_mutex_lock(&blocks->lock);
	struct chunk *chunk = reef_list_is_empty(&blocks->roomy)
								  ? new_chunk(blocks)
								  : reef_list_entry(reef_list_first(&blocks->roomy), struct chunk, link);
	void *block = chunk ? take_from(chunk) : NULL;
	blocks->used += block != NULL;
	pthread_mutex_unlock(&blocks->lock);
	if (block)
		__atomic_fetch_add(&used, blocks->size, __ATOMIC_RELAXED);
	return block;
}

void reef_copy_blocks_give_back(void *block) {
	struct chunk *chunk = (void *)((uintptr_t)block & ~(CHUNK - 1));
	struct reef_copy_blocks *blocks = chunk->blocks;
	__atomic_fetch_sub(&used, blocks->size, __ATOMIC_RELAXED);
	pthread_mutex_lock(&blocks->lock);
	give_back_to(chunk, block);
	bool is_over = --blocks->used == 0 && blocks->gone;
	if (chunk->used == 0 && (blocks->gone || !is_last(blocks, chunk))) {
		reef_link_remove(&chunk->link);
		unmap_chunk(chunk);
	} else if (chunk->used == 0) {
		empty_chunk(chunk);
	}
	pthread_mutex_unlock(&blocks->lock);
	if (is_over)
		delete (blocks);
}

size_t reef_copy_blocks_used(void) {
	return __atomic_load_n(&used, __ATOMIC_RELAXED);
}

size_t reef_copy_blocks_mapped(void) {
	return __atomic_load_n(&mapped, __ATOMIC_RELAXED);
}
