/* TLS of a socket: it sits between descriptor and sink, where bytes are read and sent, so that sinks and writers do not
 * notice. Here what a connection (socket/tls/tls.h) leaves to be done is done. With the slot locked. */
#ifndef REEF_SOCKET_SECURE_H
#define REEF_SOCKET_SECURE_H

#include <sys/types.h>

#include "slot.h"
#include "socket/tls/handshake.h"

/* TLS begins on a connected socket: HANDSHAKE, and the owner's slice goes on with it. */
void reef_secure_begin(struct reef_slot *slot);
/* The same after something else was spoken: n bytes already received belong to the handshake, and queued output leaves
 * as it is first. */
void reef_secure_begin_amid(struct reef_slot *slot, const void *received, size_t n);
/* Goes on with the handshake. */
enum reef_tls_progress reef_secure_handshake(struct reef_slot *slot);
/* As recv(2). */
ssize_t reef_secure_read(struct reef_slot *slot, char *buffer, size_t room);
/* Everything has been sent: says goodbye. True: the descriptor may be closed; false: once more when something comes. */
bool reef_secure_part(struct reef_slot *slot);

#endif
