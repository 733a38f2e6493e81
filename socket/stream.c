/* Life and death of a socket: connecting through a list of addresses, closing with a flush, breaking. See slot.h; the
 * slot is locked in all of this. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/poller.h"
#include "core/timer.h"
#include "socket/address.h"
#include "socket/deadline.h"
#include "socket/resolver.h"
#include "socket/slot.h"
#include "socket/tls_private.h"

/* unix(7): a non-blocking connect to a socket whose backlog is full fails with EAGAIN and sends no event later. */
#define RETRY_NS 5000000u

#define ALL_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP)

int reef_slot_poll(struct reef_slot *slot) {
	if (slot->polled || slot->unpollable)
		return 0;
	uint32_t events = slot->kind == REEF_KIND_LISTEN ? EPOLLIN : ALL_EVENTS;
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
	return reef_poller_modify(slot->fd, REEF_POLL_SOCKET, atomic_load(&slot->id), ALL_EVENTS);
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
	reef_free(slot->addresses);
	slot->addresses = NULL;
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

/* ---- connecting ---- */

static void opened(struct reef_slot *slot, bool tell) {
	reef_deadline_set(slot, 0);
	slot->state = REEF_SLOT_OPEN;
	atomic_store(&slot->connecting, false);
	if (tell)
		reef_slot_tell(slot, REEF_TELL_OPENED);
	reef_slot_flush(slot);
}

static void connected(struct reef_slot *slot) {
	reef_free(slot->addresses);
	slot->addresses = NULL;
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

static void set_options(int fd, int family) {
	if (family == AF_UNIX)
		return;
	int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* 0: under way or done; else an errno. */
static int connect_to(struct reef_slot *slot, const struct reef_address *address) {
	slot->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (slot->fd < 0)
		return errno;
	set_options(slot->fd, address->any.sa_family);
	slot->state = REEF_SLOT_CONNECTING;
	atomic_store(&slot->connecting, true);
	bool done = connect(slot->fd, &address->any, address->size) == 0;
	int error = done || errno == EINPROGRESS ? 0 : errno;
	if (error == 0)
		error = reef_slot_poll(slot);
	if (error == 0 && done)
		connected(slot);
	return error;
}

void reef_slot_connect_next(struct reef_slot *slot) {
	struct reef_addresses *addresses = slot->addresses;
	while (addresses->next < addresses->n) {
		const struct reef_address *address = &addresses->list[addresses->next];
		int error = connect_to(slot, address);
		if (error == 0)
			return;
		close_fd(slot);
		slot->error = error;
		if (error == EAGAIN && address->any.sa_family == AF_UNIX) {
			uint64_t again = reef_now_ns() + RETRY_NS;
			slot->state = REEF_SLOT_CONNECTING;
			slot->retry = true;
			reef_deadline_set(slot, again < slot->connect_deadline_ns ? again : slot->connect_deadline_ns);
			return;
		}
		addresses->next++;
	}
	reef_slot_break(slot, slot->error);
}

void reef_slot_connect_check(struct reef_slot *slot) {
	if (slot->fd < 0)
		return;
	int error = 0;
	socklen_t size = sizeof error;
	getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error == 0) {
		/* An event from before the connect says nothing: ask the socket itself. */
		struct pollfd state = {.fd = slot->fd, .events = POLLOUT};
		if (poll(&state, 1, 0) > 0 && !(state.revents & (POLLERR | POLLHUP)))
			connected(slot);
		return;
	}
	close_fd(slot);
	slot->error = error;
	slot->addresses->next++;
	reef_slot_connect_next(slot);
}

void reef_slot_resolved(int id, struct reef_addresses *addresses, const char *error) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL || slot->state != REEF_SLOT_RESOLVING) {
		reef_free(addresses);
	} else if (addresses == NULL) {
		slot->error_text = reef_strdup(error);
		reef_slot_break(slot, 0);
	} else {
		slot->addresses = addresses;
		slot->error = EADDRNOTAVAIL;
		reef_slot_connect_next(slot);
	}
	if (slot)
		reef_slot_unlock(slot);
}

void reef_slot_expired(struct reef_slot *slot) {
	switch (slot->state) {
	case REEF_SLOT_CONNECTING:
		if (slot->retry && reef_now_ns() < slot->connect_deadline_ns) {
			slot->retry = false;
			reef_deadline_set(slot, slot->connect_deadline_ns);
			reef_slot_connect_next(slot);
			return;
		}
		reef_slot_break(slot, ETIMEDOUT);
		break;
	case REEF_SLOT_HANDSHAKE:
		reef_tls_too_late(slot);
		reef_slot_break(slot, ETIMEDOUT);
		break;
	case REEF_SLOT_RESOLVING:
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
