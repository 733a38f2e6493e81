/* Listeners: made and, as slots that are locked, accepting. */
#ifndef REEF_SOCKET_LISTEN_H
#define REEF_SOCKET_LISTEN_H

#include "socket.h"

struct reef_slot;

/* Binds and listens (resolving names here and now), but accepts nothing before reef_socket_start. Owner function; results
 * as of reef_socket_open. The real address goes to `ip` (at least REEF_ADDRESS_SIZE bytes, or NULL) and `*real_port` (0 for
 * Unix sockets). */
int reef_listen_open(const char *host, int port, int backlog, char *ip, int *real_port, const char **error);
/* Gives a listener a sink that hears `opened`, though nothing is accepted yet. */
void reef_listen_announce(int id, const struct reef_sink *sink, void *ud);

/* Opens, if it is not, the descriptor that is given up when there is none left to accept with. Any thread. */
void reef_listen_keep_spare(void);
/* Hands at most a slice's share of connections to the sink. Owner's slice. False, locked all the same: the socket has
 * changed hands. */
bool reef_listen_accept(struct reef_slot *slot, uint32_t id, uint32_t owner);

#endif
