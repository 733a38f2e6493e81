/* From readiness to the sink: what the poller does with an event, and what the owner's slice does with it.
 *
 * The poller only notes bits and pushes the slot's event to the owner (output is the exception: it is flushed right
 * there, so that a busy owner does not stall it). The owner reads until a short read says that the kernel has no more,
 * but only so much in one go; what is left is for the next turn. Every callback may close the socket, pass it on or
 * free what `ud` points to: after each, everything is looked at afresh.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/service.h"
#include "core/slice.h"
#include "socket/address.h"
#include "socket/deadline.h"
#include "socket/slot.h"
#include "socket/tls_private.h"

/* A slice's share. */
#define READ_BYTES (512 * 1024)
#define ACCEPTS 64
/* After a failure that leaves the connection pending, about which the poller says nothing more. */
#define ACCEPT_AGAIN_NS 100000000u

bool reef_slot_relock(struct reef_slot *slot, uint32_t owner) {
	pthread_mutex_lock(&slot->lock);
	return atomic_load(&slot->owner) == owner;
}

/* ---- the poller's side ---- */

void reef_slot_poll_event(uint32_t id, uint32_t events) {
	if (id == 0) {
		reef_deadline_fire();
		return;
	}
	struct reef_slot *slot = reef_slot_peek(id);
	if (slot == NULL)
		return;
	if (events & atomic_load(&slot->blocked)) {
		slot = reef_slot_lock((int)id);
		if (slot == NULL)
			return;
		reef_slot_flush(slot);
		reef_slot_unlock(slot);
	}
	/* Whoever begins to read after this looks for himself. */
	events &= (atomic_load(&slot->reading) ? REEF_SLOT_INPUT : 0u) |
			  (atomic_load(&slot->connecting) ? REEF_SLOT_INPUT | EPOLLOUT : 0u);
	if (events != 0 && !reef_slot_signal(slot, events)) {
		slot = reef_slot_lock((int)id);
		if (slot)
			reef_slot_unlock(slot);
	}
}

/* ---- reading ---- */

/* Bytes read, 0 at the end, -1 with errno. */
static ssize_t read_some(struct reef_slot *slot, char *buffer, size_t room) {
	if (slot->tls)
		return reef_tls_read(slot, buffer, room);
	if (slot->kind == REEF_KIND_STREAM)
		return recv(slot->fd, buffer, room, MSG_DONTWAIT);
	/* A bound descriptor may be a blocking one. */
	struct pollfd state = {.fd = slot->fd, .events = POLLIN};
	if (!slot->unpollable && poll(&state, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return read(slot->fd, buffer, room);
}

/* As all functions below: locked on entry and on return; false: the socket has changed hands. */
static bool end_of_input(struct reef_slot *slot, uint32_t id, uint32_t owner, int error) {
	if (error != 0 || slot->write_error != 0) {
		reef_slot_break(slot, error != 0 ? error : slot->write_error);
		return true;
	}
	slot->fin = true;
	atomic_store(&slot->reading, false);
	if (slot->end_told)
		return true;
	slot->end_told = true;
	const struct reef_sink *sink = slot->sink;
	void *ud = slot->ud;
	reef_slot_unlock(slot);
	if (sink && sink->closed)
		sink->closed(ud, (int)id);
	return reef_slot_relock(slot, owner);
}

static bool read_stream(struct reef_slot *slot, uint32_t id, uint32_t owner, uint32_t bits) {
	bool ending = slot->kind == REEF_KIND_BIND || (bits & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	size_t total = 0;
	while (slot->state == REEF_SLOT_OPEN && atomic_load(&slot->reading)) {
		if (total >= READ_BYTES) {
			reef_slot_signal(slot, EPOLLIN | (ending ? EPOLLRDHUP : 0));
			return true;
		}
		const struct reef_sink *sink = slot->sink;
		void *ud = slot->ud;
		size_t room = REEF_SLICE_SCRATCH_SIZE;
		char *buffer = sink && sink->room ? sink->room(ud, (int)id, &room) : reef_slice_scratch();
		ssize_t n = read_some(slot, buffer, room);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? true : end_of_input(slot, id, owner, errno);
		}
		if (n == 0)
			return end_of_input(slot, id, owner, 0);
		total += (size_t)n;
		slot->read_bytes += (uint64_t)n;
		slot->read_ns = reef_coarse_ns();
		reef_slot_unlock(slot);
		if (sink && sink->data)
			sink->data(ud, (int)id, buffer, (size_t)n);
		if (!reef_slot_relock(slot, owner))
			return false;
		if ((size_t)n < room && !ending)
			return true;
	}
	return true;
}

/* ---- accepting ---- */

/* Kept for the moment when the process has no descriptor left: without one the pending connection could not even be
 * turned away, and its client would hang. */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static int spare = -1;

static bool turn_away(int listener) {
	pthread_mutex_lock(&spare_lock);
	if (spare >= 0)
		close(spare);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_unlock(&spare_lock);
	return fd >= 0;
}

void reef_accept_keep_spare(void) {
	pthread_mutex_lock(&spare_lock);
	if (spare < 0)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_unlock(&spare_lock);
}

/* A new slot for the connection, not locked; 0 when there are too many. */
static uint32_t adopt(int fd, uint32_t owner, struct reef_tls *tls) {
	struct reef_slot *slot = reef_slot_new(REEF_KIND_STREAM, owner);
	if (slot == NULL) {
		close(fd);
		reef_tls_delete(tls);
		reef_log(owner, "socket: accept error: %s", REEF_SLOT_LIMIT_TEXT);
		return 0;
	}
	slot->fd = fd;
	slot->tls = tls;
	uint32_t id = atomic_load(&slot->id);
	reef_slot_unlock(slot);
	return id;
}

static bool accept_some(struct reef_slot *slot, uint32_t id, uint32_t owner) {
	reef_accept_keep_spare();
	for (int i = 0; slot->state == REEF_SLOT_OPEN && atomic_load(&slot->reading); i++) {
		if (i == ACCEPTS) {
			reef_slot_signal(slot, EPOLLIN);
			return true;
		}
		struct reef_address peer = {.size = sizeof peer.local};
		int fd = accept4(slot->fd, &peer.any, &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			int error = errno;
			if (error == EAGAIN)
				return true;
			if (error == EINTR || error == ECONNABORTED)
				continue;
			reef_log(owner, "socket: accept error: %s", strerrordesc_np(error));
			if ((error == EMFILE || error == ENFILE) && turn_away(slot->fd))
				continue;
			reef_deadline_set(slot, reef_now_ns() + ACCEPT_AGAIN_NS);
			return true;
		}
		slot->read_bytes++;
		slot->read_ns = reef_coarse_ns();
		const struct reef_sink *sink = slot->sink;
		void *ud = slot->ud;
		char text[REEF_ADDRESS_SIZE];
		reef_address_text(&peer, text);
		struct reef_tls *tls = slot->tls ? reef_tls_accept(slot->tls, text) : NULL;
		reef_slot_unlock(slot);
		uint32_t newid = adopt(fd, owner, tls);
		if (newid != 0) {
			if (sink && sink->accepted)
				sink->accepted(ud, (int)id, (int)newid, text);
			else
				reef_socket_shutdown((int)newid);
		}
		if (!reef_slot_relock(slot, owner))
			return false;
	}
	return true;
}

/* ---- the owner's side ---- */

static bool tell_opened(struct reef_slot *slot, uint32_t id, uint32_t owner) {
	struct reef_address address;
	char text[REEF_ADDRESS_SIZE] = "";
	if (slot->kind == REEF_KIND_STREAM ? reef_address_of_peer(slot->fd, &address) : reef_address_of(slot->fd, &address))
		reef_address_text(&address, text);
	const struct reef_sink *sink = slot->sink;
	void *ud = slot->ud;
	reef_slot_unlock(slot);
	if (sink && sink->opened)
		sink->opened(ud, (int)id, text);
	return reef_slot_relock(slot, owner);
}

static bool tell_warning(struct reef_slot *slot, uint32_t id, uint32_t owner) {
	const struct reef_sink *sink = slot->sink;
	void *ud = slot->ud;
	size_t kb = slot->warn_kb;
	bool drained = slot->warn_drained;
	slot->warn_kb = 0;
	slot->warn_drained = false;
	reef_slot_unlock(slot);
	if (kb != 0 && sink && sink->warning)
		sink->warning(ud, (int)id, kb);
	if (!reef_slot_relock(slot, owner))
		return false;
	if (!drained || slot->sink != sink || slot->ud != ud)
		return true;
	reef_slot_unlock(slot);
	if (sink && sink->warning)
		sink->warning(ud, (int)id, 0);
	return reef_slot_relock(slot, owner);
}

static bool tell_end(struct reef_slot *slot, uint32_t id, uint32_t owner, bool failed) {
	const struct reef_sink *sink = slot->sink;
	void *ud = slot->ud;
	int error = slot->error;
	char text[256];
	snprintf(text, sizeof text, "%s", slot->error_text ? slot->error_text : strerrordesc_np(error));
	reef_slot_unlock(slot);
	if (sink && failed && sink->failed)
		sink->failed(ud, (int)id, error, text);
	if (sink && !failed && sink->closed)
		sink->closed(ud, (int)id);
	return reef_slot_relock(slot, owner);
}

static bool input(struct reef_slot *slot, uint32_t id, uint32_t owner, uint32_t bits) {
	if (slot->state != REEF_SLOT_OPEN || !atomic_load(&slot->reading))
		return true;
	if (slot->kind == REEF_KIND_LISTEN)
		return accept_some(slot, id, owner);
	if (slot->kind == REEF_KIND_UDP)
		return reef_udp_read(slot, id, owner);
	return read_stream(slot, id, owner, bits);
}

static void deliver_bits(struct reef_slot *slot, uint32_t id, uint32_t owner, uint32_t bits) {
	if ((bits & REEF_TELL_OPENED) && !tell_opened(slot, id, owner))
		return;
	if ((bits & REEF_SLOT_INPUT) && !input(slot, id, owner, bits))
		return;
	if ((bits & REEF_TELL_WARNING) && !tell_warning(slot, id, owner))
		return;
	if ((bits & REEF_TELL_FAILED) && !tell_end(slot, id, owner, true))
		return;
	if (bits & REEF_TELL_CLOSED)
		tell_end(slot, id, owner, false);
}

void reef_slot_deliver(struct reef_service *service, struct reef_event *event) {
	struct reef_slot *slot = reef_slot_of(event, event);
	uint32_t me = reef_service_handle(service);
	pthread_mutex_lock(&slot->lock);
	/* Not before: between the two, whoever flushes could end the socket, find nothing left to be told, and free it. */
	uint32_t bits = atomic_exchange(&slot->ready, 0) & ~(uint32_t)REEF_SLOT_SIGNALLED;
	uint32_t id = atomic_load(&slot->id), owner = atomic_load(&slot->owner);
	if (owner != me) {
		if (owner != 0 && bits != 0)
			reef_slot_signal(slot, bits);
		reef_slot_unlock(slot);
		return;
	}
	slot->delivering++;
	if (slot->state == REEF_SLOT_CONNECTING) {
		reef_connect_check(slot);
		/* `opened` comes first, as an event of its own; then what is there to read. */
		if (slot->state == REEF_SLOT_OPEN)
			reef_slot_signal(slot, bits & REEF_SLOT_INPUT);
	} else {
		if (slot->state == REEF_SLOT_HANDSHAKE) {
			reef_slot_handshake(slot);
			bits &= REEF_TELL;
		}
		deliver_bits(slot, id, me, bits);
	}
	slot->delivering--;
	reef_slot_unlock(slot);
}

/* The mailbox that the event was in is gone. */
void reef_slot_drop(struct reef_event *event) {
	struct reef_slot *slot = reef_slot_of(event, event);
	pthread_mutex_lock(&slot->lock);
	uint32_t bits = atomic_exchange(&slot->ready, 0) & ~(uint32_t)REEF_SLOT_SIGNALLED;
	uint32_t owner = atomic_load(&slot->owner);
	if (owner != 0 && bits != 0 && reef_service_alive(owner))
		reef_slot_signal(slot, bits);
	reef_slot_unlock(slot);
}
