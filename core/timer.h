/* Timers of the process: a hierarchical wheel under one lock, emptied by whoever polls.
 *
 * A timer is a handle and a session; when it is due, that service receives an empty REEF_PTYPE_RESPONSE message with
 * that session and source 0. It never comes early, and normally within a tenth of a millisecond. Timers cannot be
 * withdrawn: the owner ignores a session that it no longer waits for.
 */
#ifndef REEF_TIMER_H
#define REEF_TIMER_H

#include <stdint.h>

/* Sends the message at `deadline_ns` (reef_now_ns scale); a deadline in the past means at once, through the mailbox.
 * Any thread inside the engine. */
void reef_timer_add(uint32_t handle, int32_t session, uint64_t deadline_ns);

/* When there will next be something to do; UINT64_MAX: never. Any thread. */
uint64_t reef_timer_next(void);
/* Sends the messages of all timers due at `now_ns`; returns how many. One thread at a time. */
int reef_timer_expire(uint64_t now_ns);

/* Before the first timer, and when no other thread is left. */
void reef_timer_init(void);
void reef_timer_fini(void);

#endif
