/* Addresses: from the texts that users write to what the kernel wants, and back. Pure functions, any thread. */
#ifndef REEF_SOCKET_ADDRESS_H
#define REEF_SOCKET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "socket/socket.h"

struct reef_address {
	socklen_t size;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
};

/* What a text meant: an address, or a name that is still to be resolved. */
struct reef_target {
	bool literal;
	struct reef_address address; /* when literal */
	char host[256];              /* else */
	int port;
};

/* The forms of socket.h. NULL, or what is wrong (valid until this thread's next call). */
const char *reef_target_parse(struct reef_target *target, const char *host, int port);

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
