/* Connecting a stream through all the addresses that its endpoint has. With the slot locked. */
#ifndef REEF_SOCKET_CONNECT_H
#define REEF_SOCKET_CONNECT_H

#include "slot.h"
#include "socket/names/endpoint.h"

/* A new stream begins to connect, until its connect_deadline_ns: RESOLVING, or further already. */
void reef_connect_begin(struct reef_slot *slot, const struct reef_endpoint *endpoint);
/* An attempt may have become connected or failed. */
void reef_connect_check(struct reef_slot *slot);
/* Time for the next attempt, or too late for any. */
void reef_connect_expired(struct reef_slot *slot);

#endif
