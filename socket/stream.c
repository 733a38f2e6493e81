/* Life and death of a socket: opening, closing with a flush, breaking. See slot.h; the
 * slot is locked in all of this. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/poller.h"
#include "socket/deadline.h"
#include "socket/slot.h"
#include "socket/tls_private.h"

int reef_slot_poll(struct reef_slot *slot) {
	if (slot->polled || slot->unpollable)
		return 0;
	uint32_t events = slot->kind == REEF_KIND_LISTEN ? EPOLLIN : REEF_STREAM_EVENTS;
	int error = reef_poller_add(slot->fd, REEF_POLL_SOCKET, atomic_load(&slot->id), events);
	if (error == EPERM && slot->kind == REEF_KIND_BIND) {
		slot->unpollable = true;
		return 0;
	}
	slot->polled = error == 0;
	return error;
}

int reef_slot_poll_again(struct reef_slot *slot) {
	if (!slot->polled)
		return reef_slot_poll(slot);
	return reef_poller_modify(slot->fd, REEF_POLL_SOCKET, atomic_load(&slot->id), REEF_STREAM_EVENTS);
}

static void close_fd(struct reef_slot *slot) {
	if (slot->fd < 0)
		return;
	if (slot->kind == REEF_KIND_BIND) {
		if (slot->polled)
			reef_poller_remove(slot->fd);
	} else {
		close(slot->fd);
	}
	slot->fd = -1;
	slot->polled = false;
}

void reef_slot_kill(struct reef_slot *slot) {
	if (slot->tls) {
		/* A stream that lacks something does not end with a goodbye. */
		if (slot->fd >= 0 && reef_slot_unsent(slot) == 0)
			(void)reef_tls_part(slot);
		reef_tls_delete(slot->tls);
		slot->tls = NULL;
		slot->sealed = slot->sealed_users = 0;
	}
	close_fd(slot);
	reef_wqueue_clear(&slot->out);
	reef_udp_clear(slot);
	reef_connect_end(slot);
	reef_deadline_set(slot, 0);
	atomic_store(&slot->reading, false);
	atomic_store(&slot->connecting, false);
	atomic_store(&slot->blocked, 0);
	slot->state = REEF_SLOT_DEAD;
}

void reef_slot_break(struct reef_slot *slot, int error) {
	slot->error = error;
	reef_slot_kill(slot);
	if (!slot->end_told) {
		slot->end_told = true;
		reef_slot_tell(slot, REEF_TELL_FAILED);
	}
}

void reef_slot_close(struct reef_slot *slot) {
	if (slot->state == REEF_SLOT_CLOSING || slot->state == REEF_SLOT_DEAD)
		return;
	if (!slot->end_told) {
		slot->end_told = true;
		reef_slot_tell(slot, REEF_TELL_CLOSED);
	}
	atomic_store(&slot->reading, false);
	bool greeted = slot->state == REEF_SLOT_HANDSHAKE && reef_tls_is_server(slot->tls) && slot->out.size > 0;
	if ((slot->state != REEF_SLOT_OPEN && !greeted) || slot->kind == REEF_KIND_LISTEN) {
		reef_slot_kill(slot);
		return;
	}
	slot->state = REEF_SLOT_CLOSING;
	atomic_store(&slot->connecting, false);
	if (slot->linger_ns != 0)
		reef_slot_flush(slot);
	if (slot->state != REEF_SLOT_CLOSING)
		return;
	if (slot->linger_ns == 0)
		reef_slot_kill(slot);
	else
		reef_deadline_set(slot, reef_now_ns() + slot->linger_ns);
}

/* ---- opening ---- */

static void opened(struct reef_slot *slot, bool tell) {
	reef_deadline_set(slot, 0);
	slot->state = REEF_SLOT_OPEN;
	atomic_store(&slot->connecting, false);
	if (tell)
		reef_slot_tell(slot, REEF_TELL_OPENED);
	reef_slot_flush(slot);
}

void reef_slot_connected(struct reef_slot *slot) {
	atomic_store(&slot->reading, true);
	if (slot->tls)
		reef_slot_begin_handshake(slot);
	else
		opened(slot, true);
}

void reef_slot_begin_handshake(struct reef_slot *slot) {
	slot->state = REEF_SLOT_HANDSHAKE;
	atomic_store(&slot->connecting, true);
	reef_slot_signal(slot, EPOLLIN);
}

void reef_slot_handshake(struct reef_slot *slot) {
	switch (reef_tls_handshake(slot)) {
	case REEF_TLS_WAITS:
		break;
	case REEF_TLS_DONE:
		opened(slot, reef_tls_tells(slot->tls));
		/* What came behind the handshake will not be reported again. */
		reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
		break;
	case REEF_TLS_FAILED:
		reef_slot_break(slot, EPROTO);
		break;
	}
}

void reef_slot_expired(struct reef_slot *slot) {
	switch (slot->state) {
	case REEF_SLOT_RESOLVING:
	case REEF_SLOT_CONNECTING:
		reef_connect_expired(slot);
		break;
	case REEF_SLOT_HANDSHAKE:
		reef_tls_too_late(slot);
		reef_slot_break(slot, ETIMEDOUT);
		break;
	case REEF_SLOT_CLOSING:
		reef_slot_kill(slot);
		break;
	case REEF_SLOT_OPEN:
		/* A listener that could not accept tries again. */
		if (slot->kind == REEF_KIND_LISTEN)
			reef_slot_signal(slot, EPOLLIN);
		break;
	default:
		break;
	}
}
