/* See stream.h. The owner reads until a short read says that the kernel has no more, but only so much in one go; what is
 * left is for the next turn. Every callback may close the socket, pass it on or free what `ud` points to: after each,
 * everything is looked at afresh. */
#include "stream.h"
#include "core/clock.h"
#include "core/net.h"
#include "core/slice.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "expiry.h"
#include "output.h"
#include "secure.h"
#include "teardown.h"
#include "tell.h"

#define READ_BYTES (512 * 1024) /* a slice's share */

/* ---- opening ---- */

static void set_open(struct reef_slot *slot, bool tell) {
	reef_expiry_set(slot, 0);
	slot->state = REEF_SLOT_OPEN;
	atomic_store(&slot->connecting, false);
	if (tell)
		reef_slot_tell(slot, REEF_TELL_OPENED);
	reef_output_flush(slot);
}

void reef_stream_connected(struct reef_slot *slot) {
	atomic_store(&slot->reading, true);
	if (slot->tls)
		reef_secure_begin(slot);
	else
		set_open(slot, true);
}

void reef_stream_handshake(struct reef_slot *slot) {
	switch (reef_secure_handshake(slot)) {
	case REEF_TLS_WAITS:
		break;
	case REEF_TLS_DONE:
		set_open(slot, reef_tls_tells(slot->tls));
		/* What came behind the handshake will not be reported again. */
		reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
		break;
	case REEF_TLS_FAILED:
		reef_teardown_broken(slot, EPROTO);
		break;
	}
}

/* ---- reading ---- */

/* Bytes read, 0 at the end, -1 with errno. */
static ssize_t read_some(struct reef_slot *slot, char *buffer, size_t room) {
	if (slot->tls)
		return reef_secure_read(slot, buffer, room);
	if (slot->kind == REEF_KIND_STREAM)
		return reef_net->recv(slot->fd, buffer, room, MSG_DONTWAIT);
	/* A bound descriptor may be a blocking one. */
	struct pollfd state = {.fd = slot->fd, .events = POLLIN};
	if (!slot->unpollable && poll(&state, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return read(slot->fd, buffer, room);
}

/* As reef_stream_read. */
static __attribute__((noinline)) bool end_of_input(struct reef_slot *slot, uint32_t id, uint32_t owner, int error) {
	if (error != 0 || slot->write_error != 0) {
		reef_teardown_broken(slot, error != 0 ? error : slot->write_error);
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
		reef_tell_closed(sink, ud, (int)id);
	return reef_slot_relock(slot, owner);
}

bool reef_stream_read(struct reef_slot *slot, uint32_t id, uint32_t owner, uint32_t bits) {
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
			reef_tell_data(sink, ud, (int)id, buffer, (size_t)n);
		if (!reef_slot_relock(slot, owner))
			return false;
		if ((size_t)n < room && !ending)
			return true;
	}
	return true;
}
