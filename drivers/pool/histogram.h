/* How long things took: counts in buckets, four to each power of two, so that a quantile is at most a quarter too high.
 * One thread at a time. */
#ifndef REEF_HISTOGRAM_H
#define REEF_HISTOGRAM_H

#include <stdint.h>

#define REEF_HISTOGRAM_BUCKETS 256

struct reef_histogram {
	uint64_t count;
	uint64_t bucket[REEF_HISTOGRAM_BUCKETS];
};

static inline unsigned reef_histogram_bucket(uint64_t value) {
	if (value < 4)
		return (unsigned)value;
	unsigned power = 63u - (unsigned)__builtin_clzll(value);
	return power * 4 + (unsigned)((value >> (power - 2)) & 3) - 4;
}

static inline void reef_histogram_add(struct reef_histogram *histogram, uint64_t value) {
	histogram->count++;
	histogram->bucket[reef_histogram_bucket(value)]++;
}

/* A value that the fraction `quantile` of all is not above: the upper end of its bucket. 0 if there are none. */
static inline uint64_t reef_histogram_quantile(const struct reef_histogram *histogram, double quantile) {
	double rank = quantile * (double)histogram->count;
	uint64_t seen = 0;
	for (unsigned i = 0; i < REEF_HISTOGRAM_BUCKETS && histogram->count > 0; i++) {
		seen += histogram->bucket[i];
		if (histogram->bucket[i] > 0 && (double)seen >= rank) {
			if (i < 4)
				return i;
			unsigned power = (i + 4) / 4, part = (i + 4) % 4;
			return ((UINT64_C(4) + part + 1) << (power - 2)) - 1;
		}
	}
	return 0;
}

#endif
