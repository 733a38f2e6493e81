/* Noting lines of memory: see warm.h. */
#include "warm.h"

void reef_warm_note(struct reef_warm *warm, const void *p, size_t size) {
	intptr_t base = (intptr_t)warm & -REEF_LINE;
	intptr_t last = (intptr_t)p + (intptr_t)size - 1 - base;
	for (intptr_t at = ((intptr_t)p & -REEF_LINE) - base; at <= last && warm->count < REEF_WARM_LINES;
		 at += REEF_LINE) {
		int32_t line = (int32_t)(at / REEF_LINE);
		unsigned i = 0;
		while (i < warm->count && warm->line[i] != line)
			i++;
		/* What is too far away for the number is left out. */
		if (i < warm->count || line != at / REEF_LINE)
			continue;
		__atomic_store_n(&warm->line[i], line, __ATOMIC_RELAXED);
		__atomic_store_n(&warm->count, (uint16_t)(i + 1), __ATOMIC_RELAXED);
	}
}
