/* UDP sockets. Making and connecting are owner functions, with results as those of reef_socket_open. */
#ifndef REEF_SOCKET_UDP_H
#define REEF_SOCKET_UDP_H

#include "socket.h"

struct reef_slot;

/* A socket bound to that address, or (host NULL) an unbound IPv4 one. `datagram` hears what comes. */
int reef_udp_open(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error);
/* An unbound socket of the family that the address has, with that default destination. */
int reef_udp_dial(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error);
/* Sets the default destination, so that reef_socket_write works. NULL, or why not. */
const char *reef_udp_connect(int id, const char *host, int port);
/* False: unknown id, a malformed address or one of another family. What the kernel refuses is dropped with a log. */
bool reef_udp_send(int id, const uint8_t *address, size_t address_size, const void *bytes, size_t n);
/* "ip" of at least REEF_ADDRESS_SIZE bytes. False: malformed. */
bool reef_udp_address_text(const uint8_t *address, size_t address_size, char *ip, int *port);

/* Hands at most a slice's share of datagrams to the sink. Locked, owner's slice. False, locked all the same: the socket
 * has changed hands. */
bool reef_udp_read(struct reef_slot *slot, uint32_t id, uint32_t owner);

#endif
