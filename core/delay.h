/* How long services that have work wait for a worker. One of DELAY_EVERY is looked at: it is stamped when it is
 * scheduled, and the worker that takes it notes in its own histogram how long ago that was. */
#ifndef REEF_DELAY_H
#define REEF_DELAY_H

#include "cycles.h"
#include "histogram.h"
#include "service_private.h"
#include "worker_private.h"

#define REEF_DELAY_EVERY 32
#define REEF_DELAY_SHIFT 8 /* cycles are kept in units of 256, so that 32 bits last for minutes */

/* Whoever schedules, before others may take the service; `worker` is his, or NULL. */
static inline void reef_delay_stamp(struct reef_service *service, struct reef_worker *worker) {
	if (worker == NULL || ++worker->scheduled % REEF_DELAY_EVERY == 0)
		service->due_since = (uint32_t)(reef_cycles() >> REEF_DELAY_SHIFT) | 1;
}

/* Whoever runs it: at the start of the slice, `now` being the cycle counter. */
static inline void reef_delay_note(struct reef_worker *worker, struct reef_service *service, uint64_t now) {
	if (__builtin_expect(service->due_since == 0, 1))
		return;
	/* Processors' counters may differ by a little. */
	int32_t waited = (int32_t)((uint32_t)(now >> REEF_DELAY_SHIFT) - service->due_since);
	uint64_t cycles = waited > 0 ? (uint64_t)waited << REEF_DELAY_SHIFT : 0;
	reef_histogram_add(&worker->delays, (uint64_t)(reef_cycles_to_seconds(cycles) * 1e9));
	service->due_since = 0;
}

#endif
