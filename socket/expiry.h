/* When a socket's time is over: of a connect, of a handshake, of the flush after a close. Kept apart from the services'
 * timers because the socket may outlive its owner. Any thread. */
#ifndef REEF_SOCKET_EXPIRY_H
#define REEF_SOCKET_EXPIRY_H

#include <stdint.h>

struct reef_slot;

/* Sets the slot's deadline (reef_now_ns), or takes it back with 0. Locked. */
void reef_expiry_set(struct reef_slot *slot, uint64_t deadline_ns);
/* The poller has seen the timer (id 0 of the sockets). */
void reef_expiry_fire(void);
/* `expired` is called, locked, for a slot whose deadline has passed. Start-up, once there is a poller: makes the timer,
 * for which there may be no descriptor later. */
void reef_expiry_setup(void (*expired)(struct reef_slot *slot));

#endif
