/* Writing: gathering within a slice, flushing at its end or from the poller, warning when much waits, and the end of a socket for which too much
 * waits. With the slot
 * locked, but for the deferred flush. */
#ifndef REEF_SOCKET_OUTPUT_H
#define REEF_SOCKET_OUTPUT_H

#include "slot.h"
#include "socket/names/address.h"

/* Queues n bytes and sees to it that they leave. False: nothing will be sent. */
bool reef_output_write(struct reef_slot *slot, const void *bytes, size_t n, enum reef_priority priority);
/* The same for a block from reef_malloc, which is taken in every case. */
bool reef_output_write_take(struct reef_slot *slot, void *block, size_t n, enum reef_priority priority);
/* The same for bytes that many sockets send: they are not copied. */
bool reef_output_write_shared(struct reef_slot *slot, struct reef_payload *payload);
/* The same for a datagram; address size 0: the default destination. */
bool reef_output_datagram(struct reef_slot *slot, const struct reef_address *address, const void *bytes, size_t n);

/* Bytes that may wait to be sent on one socket (`socket_write_limit`); with more it is broken. Start-up only. */
void reef_output_set_limit(size_t bytes);

/* Sends what the kernel takes; ends a CLOSING socket when all is sent. */
void reef_output_flush(struct reef_slot *slot);
/* At the end of a slice. */
void reef_output_deferred_flush(struct reef_deferred *deferred);

#endif
