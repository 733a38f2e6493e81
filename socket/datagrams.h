/* What a UDP socket still has to send. Each datagram is sent at once; only what the kernel does not take waits, in order.
 * All with the slot locked. */
#ifndef REEF_SOCKET_DATAGRAMS_H
#define REEF_SOCKET_DATAGRAMS_H

#include "slot.h"
#include "socket/names/address.h"

/* Sends or queues it; address size 0: the default destination. False: no memory. */
bool reef_datagrams_send(struct reef_slot *slot, const struct reef_address *address, const void *bytes, size_t n);
/* Sends what the kernel takes. */
void reef_datagrams_flush(struct reef_slot *slot);
void reef_datagrams_clear(struct reef_slot *slot);

#endif
