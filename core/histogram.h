/* How long things took: counts in buckets, four to each power of two, so that a quantile is at most a quarter too high.
 * One thread at a time adds; any may read, and then sees each number by itself. */
#ifndef REEF_HISTOGRAM_H
#define REEF_HISTOGRAM_H

#include <stdint.h>

#include "counter.h"

#define REEF_HISTOGRAM_POWERS 64
#define REEF_HISTOGRAM_BUCKETS (REEF_HISTOGRAM_POWERS * 4)

struct reef_histogram {
	reef_counter count, sum;
	reef_counter bucket[REEF_HISTOGRAM_BUCKETS];
};

static inline unsigned reef_histogram_bucket(uint64_t value) {
	if (value < 4)
		return (unsigned)value;
	unsigned power = 63u - (unsigned)__builtin_clzll(value);
	return power * 4 + (unsigned)((value >> (power - 2)) & 3) - 4;
}

static inline void reef_histogram_add(struct reef_histogram *histogram, uint64_t value) {
	reef_counter_add(&histogram->count, 1);
	reef_counter_add(&histogram->sum, value);
	reef_counter_add(&histogram->bucket[reef_histogram_bucket(value)], 1);
}

/* A value that the fraction `quantile` of all is not above: the upper end of its bucket. 0 if there are none. */
static inline uint64_t reef_histogram_quantile(const struct reef_histogram *histogram, double quantile) {
	uint64_t seen = 0, count = reef_counter_get(&histogram->count);
	double rank = quantile * (double)count;
	for (unsigned i = 0; i < REEF_HISTOGRAM_BUCKETS && count > 0; i++) {
		uint64_t here = reef_counter_get(&histogram->bucket[i]);
		seen += here;
		if (here > 0 && (double)seen >= rank) {
			if (i < 4)
				return i;
			unsigned power = (i + 4) / 4, part = (i + 4) % 4;
			return ((UINT64_C(4) + part + 1) << (power - 2)) - 1;
		}
	}
	return 0;
}

/* How many values are not below 2 to the power of `from`, but below 2 to that of `to`. `from`: 0, for all small ones, or 2
 * or more; `to`: 2 or more. */
static inline uint64_t reef_histogram_between(const struct reef_histogram *histogram, unsigned from, unsigned to) {
	uint64_t seen = 0;
	for (unsigned i = from ? from * 4 - 4 : 0; i < to * 4 - 4; i++)
		seen += reef_counter_get(&histogram->bucket[i]);
	return seen;
}

#endif
