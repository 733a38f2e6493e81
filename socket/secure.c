/* See secure.h. */
#include "secure.h"

#include <errno.h>

#include "socket/tls/bytes.h"

static void await_room(struct reef_slot *slot) {
	if (slot->state != REEF_SLOT_HANDSHAKE)
		atomic_store(&slot->blocked, REEF_BLOCKED);
	(void)reef_slot_poll_again(slot);
}

static void meet_wants(struct reef_slot *slot, int wants) {
	if (wants & REEF_TLS_WANTS_ROOM)
		await_room(slot);
	if (wants & REEF_TLS_WANTS_TURN)
		reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
}

void reef_secure_begin(struct reef_slot *slot) {
	reef_tls_set_fd(slot->tls, slot->fd);
	slot->state = REEF_SLOT_HANDSHAKE;
	atomic_store(&slot->connecting, true);
	reef_slot_signal(slot, EPOLLIN);
}

/* Moves what is queued in front of everything encrypted. False: no memory for all of it. */
static bool append_queued(struct reef_slot *slot) {
	struct iovec iov[16];
	int n;
	while ((n = reef_wqueue_gather(&slot->out, iov, 16)) > 0) {
		size_t total = 0;
		for (int i = 0; i < n; i++) {
			if (!reef_tls_bytes_append(slot->tls, iov[i].iov_base, iov[i].iov_len))
				return false;
			total += iov[i].iov_len;
		}
		reef_wqueue_sent(&slot->out, total);
	}
	return true;
}

void reef_secure_begin_amid(struct reef_slot *slot, const void *received, size_t n) {
	reef_tls_set_fd(slot->tls, slot->fd);
	reef_tls_bytes_preload(slot->tls, received, n);
	if (append_queued(slot) && reef_tls_bytes_push_aside(slot->tls))
		await_room(slot);
	reef_secure_begin(slot);
}

enum reef_tls_progress reef_secure_handshake(struct reef_slot *slot) {
	int wants = 0;
	enum reef_tls_progress progress = reef_tls_handshake(slot->tls, &wants);
	meet_wants(slot, wants);
	return progress;
}

ssize_t reef_secure_read(struct reef_slot *slot, char *buffer, size_t room) {
	int wants = 0;
	ssize_t n = reef_tls_read(slot->tls, buffer, room, &wants);
	int error = errno;
	meet_wants(slot, wants);
	errno = error;
	return n;
}

bool reef_secure_part(struct reef_slot *slot) {
	switch (reef_tls_part(slot->tls)) {
	case REEF_TLS_PARTS_UNSENT:
		atomic_store(&slot->blocked, REEF_BLOCKED);
		return reef_slot_poll_again(slot) != 0;
	case REEF_TLS_PARTS_UNREAD:
		atomic_store(&slot->blocked, REEF_BLOCKED | REEF_SLOT_INPUT);
		return reef_slot_poll(slot) != 0;
	default:
		return true;
	}
}
