/* Deadlines of sockets: of a connect, of the flush after a close. Kept apart from the services' timers because the
 * socket may outlive its owner. Any thread. */
#ifndef REEF_SOCKET_DEADLINE_H
#define REEF_SOCKET_DEADLINE_H

#include <stdint.h>

struct reef_slot;

/* Start-up, once there is a poller: makes the timer, for which there may be no descriptor later. */
void reef_deadline_setup(void);
/* Sets the slot's deadline, or takes it back with 0; reef_slot_expired is called when it has passed. Locked. */
void reef_deadline_set(struct reef_slot *slot, uint64_t deadline_ns);
/* The poller has seen the timer (id 0 of the socket room). */
void reef_deadline_fire(void);

#endif
