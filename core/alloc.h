/* The process' allocator.
 *
 * Everything that crosses a service border is allocated here. It is jemalloc's malloc in release builds and the
 * sanitizer's in the others. Any thread may call these.
 */
#ifndef REEF_ALLOC_H
#define REEF_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* The exit code of a process that ended because memory was gone where nobody could be told (sysexits' EX_OSERR). */
#define REEF_EXIT_NO_MEMORY 71

/* As malloc and friends, but never NULL: the process ends with a message when memory is gone. Use them for small
 * objects of the engine; payloads whose size a peer decides go through reef_try_malloc. */
void *reef_malloc(size_t size);
void *reef_calloc(size_t count, size_t size);
void *reef_realloc(void *p, size_t size);
/* `size` is rounded up to a multiple of `alignment`, a power of two. Freed with reef_free. */
void *reef_aligned_alloc(size_t alignment, size_t size);
char *reef_strdup(const char *s);
void reef_free(void *p);

/* Ends the process with that message, for who finds no memory where nobody can be told. */
_Noreturn void reef_alloc_give_up(size_t size);

/* NULL when out of memory. */
void *reef_try_malloc(size_t size);
void *reef_try_realloc(void *p, size_t size);
char *reef_try_strdup(const char *s);

/* Whole pages from the system, all zero: for what is large, or given back at once. NULL when out of memory. */
void *reef_try_map(size_t size);
/* Makes such a block larger or smaller; it may move. NULL when out of memory: nothing has changed. */
void *reef_try_remap(void *p, size_t old, size_t size);
/* A block, or its last pages; NULL is allowed. */
void reef_unmap(void *p, size_t size);
/* Bytes that are mapped now. */
size_t reef_mapped(void);

/* Tests only: while this is set, whatever reef_try_... is asked for fails when it returns true. */
extern bool (*reef_alloc_fails)(size_t size);

/* From now on a thread of the allocator's gives unused memory back to the system: workers do so only while they allocate,
 * and so never in a process that has become idle. It sleeps when nothing is left to give. After the last fork. */
void reef_alloc_start_giving_back(void);
/* From now on, what is allocated where depends on nothing but what is asked for. Before there is another thread. */
void reef_alloc_do_alike(void);

/* Frees a block whose allocation size the caller knows exactly: faster than reef_free. */
void reef_free_sized(void *p, size_t size);

#endif
