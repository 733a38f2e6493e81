/* Where a service's next slice will go first: addresses of cache lines, as hints for the processor.
 *
 * With thousands of services that run in turn, each of them finds nothing in the cache: its slice waits for dozens of
 * lines of memory, one after the other. A service that has not run for a while notes at the end of a slice which lines
 * the next one is likely to want (its host does, reef_module.warm). The worker, which knows who is next in its queue,
 * asks for those lines while it runs others. They are hints: nobody reads through them, so they may be out of date.
 *
 * Written in the service's slice; read by any worker between two of its quiescent points.
 */
#ifndef REEF_WARM_H
#define REEF_WARM_H

#include <stddef.h>
#include <stdint.h>

#define REEF_LINE 64       /* bytes; 64 on all that we run on, and a wrong guess only costs time */
#define REEF_WARM_LINES 60 /* at most; a Redis reply through a pool wants some 50 */

struct reef_warm {
	uint8_t noted; /* cold slices since the lines were noted */
	uint8_t hot;   /* slices in a row that were not cold */
	uint16_t count;
	int32_t line[REEF_WARM_LINES]; /* distance from this struct, in lines */
};

/* Notes the lines of `size` bytes at p, as far as there is room and they are not noted yet. */
void reef_warm_note(struct reef_warm *warm, const void *p, size_t size);

/* To the second cache: the first one takes too few at a time, and whoever asks for more waits. */
static inline void reef_warm_fetch(const struct reef_warm *warm) {
	const char *base = (const char *)warm;
	/* The service may be running on another worker by now. */
	for (size_t i = 0, n = __atomic_load_n(&warm->count, __ATOMIC_RELAXED); i < n; i++)
		__builtin_prefetch(base + (ptrdiff_t)__atomic_load_n(&warm->line[i], __ATOMIC_RELAXED) * REEF_LINE, 0, 2);
}

#endif
