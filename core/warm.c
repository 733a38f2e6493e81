/* Noting lines of memory: see warm.h. */
#include "warm.h"

void reef_warm_clear(struct reef_warm *warm) {
	__atomic_store_n(&warm->count, 0, __ATOMIC_RELAXED);
	warm->lines = 0;
}

/* The place of that block among those that are noted; REEF_WARM_BLOCKS: there is no room for it. */
static unsigned place_of(struct reef_warm *warm, int32_t block) {
	unsigned i = 0;
	while (i < warm->count && warm->block[i] != block)
		i++;
	if (i == warm->count && i < REEF_WARM_BLOCKS) {
		__atomic_store_n(&warm->block[i], block, __ATOMIC_RELAXED);
		__atomic_store_n(&warm->wanted[i], 0, __ATOMIC_RELAXED);
		__atomic_store_n(&warm->count, (uint8_t)(i + 1), __ATOMIC_RELAXED);
	}
	return i;
}

void reef_warm_note(struct reef_warm *warm, const void *p, size_t size) {
	intptr_t base = (intptr_t)warm & -REEF_WARM_BLOCK;
	intptr_t at = ((intptr_t)p & -REEF_LINE) - base, last = (intptr_t)p + (intptr_t)size - 1 - base;
	while (at <= last && warm->lines < REEF_WARM_LINES) {
		intptr_t block = (at & -REEF_WARM_BLOCK) / REEF_WARM_BLOCK, beyond = (block + 1) * REEF_WARM_BLOCK;
		/* What is too far away for the number is left out. */
		unsigned place = (int32_t)block == block ? place_of(warm, (int32_t)block) : REEF_WARM_BLOCKS;
		for (; at <= last && at < beyond && warm->lines < REEF_WARM_LINES; at += REEF_LINE) {
			unsigned bit = 1u << ((at / REEF_LINE) & 7);
			if (place == REEF_WARM_BLOCKS || warm->wanted[place] & bit)
				continue;
			__atomic_store_n(&warm->wanted[place], (uint8_t)(warm->wanted[place] | bit), __ATOMIC_RELAXED);
			warm->lines++;
		}
	}
}
