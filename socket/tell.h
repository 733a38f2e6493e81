/* Telling a sink what has happened, through the seam of its owner (core/seam.h). Owner's slice, unlocked, the seam left. */
#ifndef REEF_SOCKET_TELL_H
#define REEF_SOCKET_TELL_H

#include <string.h>

#include "core/seam.h"
#include "socket.h"
#include "socket/names/address.h"

/* The numbers are part of the format of records. */
enum reef_socket_event {
	REEF_SOCKET_EVENT_OPENED = 1, /* peer */
	REEF_SOCKET_EVENT_DATA,       /* bytes */
	REEF_SOCKET_EVENT_ACCEPTED,   /* b: new id; peer */
	REEF_SOCKET_EVENT_DATAGRAM,   /* b < 0: the address that the next one is from; else its bytes */
	REEF_SOCKET_EVENT_CLOSED,
	REEF_SOCKET_EVENT_FAILED,  /* b: errno; text */
	REEF_SOCKET_EVENT_WARNING, /* b: KiB */
};

static inline struct reef_seam *reef_tell(enum reef_socket_event event, int id, int64_t b, const void *bytes,
										  size_t size) {
	if (!reef_seam_is_on())
		return NULL;
	return reef_seam_tell(event, &(struct reef_seam_about){.a = id, .b = b, .bytes = bytes, .size = size});
}

static inline void reef_tell_opened(const struct reef_sink *sink, void *ud, int id, const char *peer) {
	struct reef_seam *seam = reef_tell(REEF_SOCKET_EVENT_OPENED, id, 0, peer, strlen(peer));
	sink->opened(ud, id, peer);
	reef_seam_told(seam);
}

static inline void reef_tell_data(const struct reef_sink *sink, void *ud, int id, const char *bytes, size_t n) {
	struct reef_seam *seam = reef_tell(REEF_SOCKET_EVENT_DATA, id, 0, bytes, n);
	sink->data(ud, id, bytes, n);
	reef_seam_told(seam);
}

static inline void reef_tell_accepted(const struct reef_sink *sink, void *ud, int id, int newid, const char *peer) {
	struct reef_seam *seam = reef_tell(REEF_SOCKET_EVENT_ACCEPTED, id, newid, peer, strlen(peer));
	sink->accepted(ud, id, newid, peer);
	reef_seam_told(seam);
}

static inline void reef_tell_datagram(const struct reef_sink *sink, void *ud, int id, const char *bytes, size_t n,
									  const struct reef_udp_address *from) {
	/* The address comes first, as an event of its own. */
	reef_seam_told(reef_tell(REEF_SOCKET_EVENT_DATAGRAM, id, -1, from, sizeof *from));
	struct reef_seam *seam = reef_tell(REEF_SOCKET_EVENT_DATAGRAM, id, 0, bytes, n);
	sink->datagram(ud, id, bytes, n, from);
	reef_seam_told(seam);
}

static inline void reef_tell_closed(const struct reef_sink *sink, void *ud, int id) {
	struct reef_seam *seam = reef_tell(REEF_SOCKET_EVENT_CLOSED, id, 0, NULL, 0);
	sink->closed(ud, id);
	reef_seam_told(seam);
}

static inline void reef_tell_failed(const struct reef_sink *sink, void *ud, int id, int error, const char *text) {
	struct reef_seam *seam = reef_tell(REEF_SOCKET_EVENT_FAILED, id, error, text, strlen(text));
	sink->failed(ud, id, error, text);
	reef_seam_told(seam);
}

static inline void reef_tell_warning(const struct reef_sink *sink, void *ud, int id, size_t kb) {
	struct reef_seam *seam = reef_tell(REEF_SOCKET_EVENT_WARNING, id, (int64_t)kb, NULL, 0);
	sink->warning(ud, id, kb);
	reef_seam_told(seam);
}

#endif
