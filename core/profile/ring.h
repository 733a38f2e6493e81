/* Samples that wait to be counted: written by a worker, also in a signal handler, and read by one thread at a time that
 * holds the sampler's lock, which may be the same worker. */
#ifndef REEF_PROFILE_RING_H
#define REEF_PROFILE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sharetable/overlay/interrupt.h"

#define REEF_PROFILE_RING_SAMPLES 128u

struct reef_profile_sample {
	uint64_t value;
	void *address;   /* of the native code that ran, or NULL */
	uint32_t handle; /* of the service that ran, 0: none */
	struct reef_interrupt_seen seen;
};

/* All zero in the beginning. */
struct reef_profile_ring {
	_Alignas(64) _Atomic uint32_t written, taken;
	_Atomic uint64_t overflow; /* value for which there was no room: it belongs to the last sample */
	struct reef_profile_sample samples[REEF_PROFILE_RING_SAMPLES];
};

/* Signal handlers of one thread do not interrupt each other here. */
static inline void reef_profile_ring_put(struct reef_profile_ring *ring, const struct reef_profile_sample *sample) {
	uint32_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);
	if (at - atomic_load_explicit(&ring->taken, memory_order_acquire) == REEF_PROFILE_RING_SAMPLES) {
		atomic_fetch_add_explicit(&ring->overflow, sample->value, memory_order_relaxed);
		return;
	}
	ring->samples[at % REEF_PROFILE_RING_SAMPLES] = *sample;
	atomic_store_explicit(&ring->written, at + 1, memory_order_release);
}

/* False: there is none. */
static inline bool reef_profile_ring_take(struct reef_profile_ring *ring, struct reef_profile_sample *sample) {
	uint32_t at = atomic_load_explicit(&ring->taken, memory_order_relaxed);
	uint32_t end = atomic_load_explicit(&ring->written, memory_order_acquire);
	if (at == end)
		return false;
	*sample = ring->samples[at % REEF_PROFILE_RING_SAMPLES];
	if (at + 1 == end)
		sample->value += atomic_exchange_explicit(&ring->overflow, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->taken, at + 1, memory_order_release);
	return true;
}

#endif
