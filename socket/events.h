/* From readiness to the sink: what the poller and the timer do with an event, and what the owner's slice does with it.
 * These are given to the engine and to the files below at start-up. */
#ifndef REEF_SOCKET_EVENTS_H
#define REEF_SOCKET_EVENTS_H

#include <stdint.h>

struct reef_event;
struct reef_service;
struct reef_slot;

/* The poller has seen these events on the socket of that id; id 0: the timer of the deadlines. On whichever thread. */
void reef_events_polled(uint32_t id, uint32_t events);
/* The slot's deadline has passed. Locked. */
void reef_events_expired(struct reef_slot *slot);
/* A slot's event in the slice of `service`. */
void reef_events_deliver(struct reef_service *service, struct reef_event *event);
/* The mailbox that the event was in is gone. */
void reef_events_drop(struct reef_event *event);

#endif
