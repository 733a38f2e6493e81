/* Start and end of the room. */
#include <poll.h>

#include "core/host.h"
#include "core/poller.h"
#include "core/runtime.h"
#include "core/timer.h"
#include "socket/lua_common.h"
#include "socket/resolver.h"
#include "socket/slot.h"

void reef_socket_setup(void);

/* Descriptors of at most `max` sockets with output on its way. */
static int unsent_sockets(struct pollfd *fds, int *ids, int max) {
	int n = 0;
	for (int id = reef_socket_next(0); id != 0 && n < max; id = reef_socket_next(id)) {
		struct reef_slot *slot = reef_slot_lock(id);
		if (slot == NULL)
			continue;
		if (slot->fd >= 0 && slot->state >= REEF_SLOT_OPEN && reef_slot_unsent(slot) > 0) {
			fds[n] = (struct pollfd){.fd = slot->fd, .events = POLLOUT};
			ids[n++] = id;
		}
		reef_slot_unlock(slot);
	}
	return n;
}

/* The process ends: what has been written is still sent. */
static void flush_all(uint64_t deadline_ns) {
	enum { MAX = 256 };
	struct pollfd fds[MAX];
	int ids[MAX];
	reef_resolver_stop();
	for (;;) {
		int n = unsent_sockets(fds, ids, MAX);
		uint64_t now = reef_now_ns();
		if (n == 0 || now >= deadline_ns)
			return;
		/* Not longer, because others than these may be waiting, and the poller may have done the work. */
		uint64_t left_ms = (deadline_ns - now) / 1000000u + 1;
		poll(fds, (nfds_t)n, left_ms < 50 ? (int)left_ms : 50);
		for (int i = 0; i < n; i++) {
			struct reef_slot *slot = reef_slot_lock(ids[i]);
			if (slot == NULL)
				continue;
			if (fds[i].revents != 0)
				reef_slot_flush(slot);
			reef_slot_unlock(slot);
		}
	}
}

void reef_socket_setup(void) {
	reef_slot_setup();
	reef_poller_set_handler(REEF_POLL_SOCKET, reef_slot_poll_event);
	reef_runtime_on_service_end(reef_slot_orphan_all);
	reef_runtime_on_stop(flush_all);
	reef_host_preload("reef.socketcore", reef_open_socketcore);
	reef_host_preload("skynet.socketdriver", reef_open_socketdriver);
	reef_host_preload("skynet.netpack", reef_open_netpack);
}
