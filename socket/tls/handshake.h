/* The handshake of a TLS connection. Used as the connection is (tls.h). */
#ifndef REEF_SOCKET_TLS_HANDSHAKE_H
#define REEF_SOCKET_TLS_HANDSHAKE_H

#include "tls.h"

enum reef_tls_progress { REEF_TLS_WAITS, REEF_TLS_DONE, REEF_TLS_FAILED };
/* Begins or goes on. WAITS: for the peer. FAILED: reef_tls_error says why. `wants`: bits are added. */
enum reef_tls_progress reef_tls_handshake(struct reef_tls *tls, int *wants);

#endif
