/* Timers of the process: a hierarchical wheel under one lock, emptied by whoever polls.
 *
 * A timer is a handle and a session; when it is due, that service receives an empty REEF_PTYPE_RESPONSE message with
 * that session and source 0. It never comes early, and normally within a tenth of a millisecond. Timers cannot be
 * withdrawn: the owner ignores a session that it no longer waits for.
 */
#ifndef REEF_TIMER_H
#define REEF_TIMER_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. Any thread. */
uint64_t reef_now_ns(void);
/* The same scale from a clock that costs nothing, a few milliseconds behind at most. Any thread. */
uint64_t reef_coarse_ns(void);
/* Hundredths of a second since the start, beginning with the wall clock's fraction, as `skynet.now`. */
uint64_t reef_now_cs(void);
/* Wall-clock second of the start, as `skynet.starttime`. */
uint32_t reef_start_time(void);

/* Sends the message at `deadline_ns` (reef_now_ns scale); a deadline in the past means at once, through the mailbox.
 * Any thread inside the engine. */
void reef_timer_add(uint32_t handle, int32_t session, uint64_t deadline_ns);

#endif
