/* The scheduler's side of the poller and the timers. */
#ifndef REEF_POLLER_PRIVATE_H
#define REEF_POLLER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

enum reef_poll_mode { REEF_POLL_LOOK, REEF_POLL_BLOCK };

void reef_poller_init(void);
void reef_poller_fini(void);

/* Fires due timers and handles ready descriptors; REEF_POLL_BLOCK waits for the first of either unless there is work in
 * the queues. For threads inside the engine that hold no looked-up pointer. Returns how many things happened, or -1 if
 * another thread is polling. */
int reef_poller_poll(enum reef_poll_mode mode);
/* Is a thread waiting in the poller, and until when (reef_now_ns scale; UINT64_MAX: for ever)? 0: nobody waits. */
uint64_t reef_poller_blocked_until(void);
bool reef_poller_is_held(void);
/* Ends the waiting. Any thread. */
void reef_poller_kick(void);

void reef_timer_init(void);
void reef_timer_fini(void);
/* Sends the messages of all timers due at `now_ns`; returns how many. One thread at a time. */
int reef_timer_expire(uint64_t now_ns);
/* When there will next be something to do; UINT64_MAX: never. Any thread. */
uint64_t reef_timer_next(void);

#endif
