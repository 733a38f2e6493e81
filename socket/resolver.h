/* getaddrinfo(3) on a few threads of its own, because it may take seconds. The result comes as an event. */
#ifndef REEF_SOCKET_RESOLVER_H
#define REEF_SOCKET_RESOLVER_H

#include "socket/address.h"

/* Resolves for the connecting socket `id`: reef_slot_resolved is called in its owner's slice. Any thread inside the
 * engine. */
void reef_resolver_open(uint32_t owner, int id, const char *host, int port);

/* Resolves here and now, blocking. NULL with *error (a static text). */
struct reef_addresses *reef_resolver_now(const char *host, int port, int socktype, const char **error);

/* No result is delivered any more. */
void reef_resolver_stop(void);

/* stream.c: takes the addresses; NULL: it failed. */
void reef_slot_resolved(int id, struct reef_addresses *addresses, const char *error);

#endif
