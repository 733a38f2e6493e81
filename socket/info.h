/* What netstat shows. Any thread. */
#ifndef REEF_SOCKET_INFO_H
#define REEF_SOCKET_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "socket/names/address.h"

enum reef_socket_type {
	REEF_SOCKET_OPENING,
	REEF_SOCKET_LISTEN,
	REEF_SOCKET_TCP, /* and connected Unix sockets */
	REEF_SOCKET_UDP,
	REEF_SOCKET_BIND,
	REEF_SOCKET_CLOSING,
};
struct reef_socket_info {
	int id;
	uint32_t owner;
	enum reef_socket_type type;
	uint64_t read, written;       /* bytes; `read` counts connections for a listener */
	uint64_t unsent;              /* bytes */
	uint64_t rtime, wtime;        /* reef_now_cs of the last of each, 0: never */
	bool reading, writing;        /* neither paused nor ended; output is waiting */
	char name[REEF_ADDRESS_SIZE]; /* the peer's address; a listener's own */
};
/* False: no such socket. */
bool reef_info_get(int id, struct reef_socket_info *info);
/* The next id behind `id` in the table (0 to begin), 0 at the end. Sockets may come and go meanwhile. */
int reef_info_next(int id);

#endif
