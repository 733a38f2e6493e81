/* A counter that one thread at a time writes and anybody reads: so atomic, but never a locked instruction. */
#ifndef REEF_COUNTER_H
#define REEF_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t reef_counter;

static inline uint64_t reef_counter_get(const reef_counter *counter) {
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Returns the sum. */
static inline uint64_t reef_counter_add(reef_counter *counter, uint64_t n) {
	n += reef_counter_get(counter);
	atomic_store_explicit(counter, n, memory_order_relaxed);
	return n;
}

#endif
