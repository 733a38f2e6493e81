/* Where a service's next slice will go first: addresses of cache lines, as hints for the processor.
 *
 * With thousands of services that run in turn, each of them finds nothing in the cache: its slice waits for dozens of
 * lines of memory, one after the other. A service that has not run for a while notes at the end of a slice which lines
 * the next one is likely to want (its host does, reef_module.warm). The worker, which knows who is next in its queue,
 * asks for those lines while it runs others. They are hints: nobody reads through them, so they may be out of date.
 *
 * The notes themselves have to be fetched, too. So they are blocks of eight lines, with a bit for each line, and all fit
 * into two lines.
 *
 * Written in the service's slice; read by any worker between two of its quiescent points.
 */
#ifndef REEF_WARM_H
#define REEF_WARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefetch.h"

#define REEF_LINE 64        /* bytes; 64 on all that we run on, and a wrong guess only costs time */
#define REEF_WARM_LINES 56  /* at most; a Redis reply through a pool wants some 45 */
#define REEF_WARM_BLOCKS 24 /* that they lie in */
#define REEF_WARM_BLOCK ((intptr_t)REEF_LINE * 8)

struct reef_warm {
	uint8_t noted;                    /* cold slices, which say when to note anew */
	uint8_t hot;                      /* slices in a row that were not cold */
	uint8_t count;                    /* blocks */
	uint8_t lines;                    /* in all */
	int32_t block[REEF_WARM_BLOCKS];  /* distance from the one that this struct lies in */
	uint8_t wanted[REEF_WARM_BLOCKS]; /* its lines, one bit each */
};

/* Nothing is noted any more. */
void reef_warm_clear(struct reef_warm *warm);

static inline bool reef_warm_is_full(const struct reef_warm *warm) {
	return warm->lines == REEF_WARM_LINES || warm->count == REEF_WARM_BLOCKS;
}

/* Notes the lines of `size` bytes at p, as far as there is room and they are not noted yet. */
void reef_warm_note(struct reef_warm *warm, const void *p, size_t size);

static inline void reef_warm_fetch(const struct reef_warm *warm) {
	intptr_t base = (intptr_t)warm & -REEF_WARM_BLOCK;
	/* The service may be running on another worker by now. */
	for (unsigned i = 0, n = __atomic_load_n(&warm->count, __ATOMIC_RELAXED); i < n; i++) {
		intptr_t block = base + __atomic_load_n(&warm->block[i], __ATOMIC_RELAXED) * REEF_WARM_BLOCK;
		for (unsigned bits = __atomic_load_n(&warm->wanted[i], __ATOMIC_RELAXED); bits != 0; bits &= bits - 1)
			reef_prefetch((const char *)block + (size_t)__builtin_ctz(bits) * REEF_LINE);
	}
}

#endif
