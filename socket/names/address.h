/* Addresses as the kernel has them, and as texts. Pure functions but for reef_address_of and _of_peer; any thread. */
#ifndef REEF_SOCKET_NAMES_ADDRESS_H
#define REEF_SOCKET_NAMES_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define REEF_ADDRESS_SIZE 128 /* of a text */

/* A datagram's address as users hold it: 1 byte family (4 or 6 bytes follow the port), 2 bytes port, the IP; 7 or 19
 * bytes, in network order. */
struct reef_udp_address {
	uint8_t size;
	uint8_t bytes[19];
};

struct reef_address {
	socklen_t size;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
};

/* "ip" and port of an address; the path of a Unix one ("@name" if abstract, "unix" if unnamed) with port 0. */
void reef_address_split(const struct reef_address *address, char ip[REEF_ADDRESS_SIZE], int *port);
/* "ip:port", "[v6]:port" or the path. */
void reef_address_text(const struct reef_address *address, char text[REEF_ADDRESS_SIZE]);
/* Own and peer's address of a descriptor; false: it has none (any more). */
bool reef_address_of(int fd, struct reef_address *address);
bool reef_address_of_peer(int fd, struct reef_address *address);

/* Of an IP address; 0 to 65535. */
void reef_address_set_port(struct reef_address *address, int port);

bool reef_address_to_udp(const struct reef_address *address, struct reef_udp_address *udp);
bool reef_address_from_udp(struct reef_address *address, const uint8_t *bytes, size_t size);

#endif
