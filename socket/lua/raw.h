/* Socket events as messages: what services hear that registered REEF_PTYPE_SOCKET themselves (`skynet.socketdriver`,
 * `skynet.netpack`). The payload is a struct reef_socket_message, with the text of accept, error and the like behind it.
 * Received bytes are a block of their own, which belongs to whoever unpacks the message. */
#ifndef REEF_SOCKET_LUA_RAW_H
#define REEF_SOCKET_LUA_RAW_H

#include "socket/socket.h"

enum reef_socket_event {
	REEF_EVENT_DATA = 1,    /* ud: size of buffer */
	REEF_EVENT_CONNECT = 2, /* connected or started; a listener: ud is its port. Text: the address */
	REEF_EVENT_CLOSE = 3,
	REEF_EVENT_ACCEPT = 4,  /* ud: the new id. Text: the peer's address */
	REEF_EVENT_ERROR = 5,   /* text: why */
	REEF_EVENT_UDP = 6,     /* ud: size of buffer. Text: the sender's address in 7 or 19 bytes */
	REEF_EVENT_WARNING = 7, /* ud: KiB */
};

struct reef_socket_message {
	int type;
	int id;
	int ud;
	void *buffer; /* from reef_malloc; DATA and UDP only */
};

extern const struct reef_sink reef_raw_sink;

/* Who is shown the bytes of a socket before they become an event. Called in the owner's slice. */
struct reef_raw_tap {
	/* True: it has done with them; it may have closed the socket, and may be gone itself. False: they become an event, as they do
	 * without a call while the service has a log of its messages. */
	bool (*data)(struct reef_raw_tap *tap, int id, const char *bytes, size_t n);
};

/* From now on, until the socket is started anew; NULL: not any more. Of a socket of the calling service that has the sink above;
 * others are left alone. The tap has to stay until then, or until the service or its socket has ended. */
void reef_raw_set_tap(int id, struct reef_raw_tap *tap);

/* Sends the calling service an event of its own making. */
void reef_raw_send(enum reef_socket_event type, int id, int ud, const char *text);

#endif
