/* A stream: what happens when it is connected, and its bytes' way to the sink. With the slot locked. */
#ifndef REEF_SOCKET_STREAM_H
#define REEF_SOCKET_STREAM_H

#include "slot.h"

/* The connect is done: TLS begins, or the socket is open. */
void reef_stream_connected(struct reef_slot *slot);
/* Goes on with the handshake: the socket is open, waits, or is broken. */
void reef_stream_handshake(struct reef_slot *slot);
/* Hands at most a slice's share of bytes, or the end, to the sink; `bits` are what the poller has seen. Owner's slice.
 * False, locked all the same: the socket has changed hands. */
bool reef_stream_read(struct reef_slot *slot, uint32_t id, uint32_t owner, uint32_t bits);

#endif
