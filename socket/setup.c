/* Start and end of the room. */
#include <stdint.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/env.h"
#include "core/host/host.h"
#include "core/log.h"
#include "core/poller.h"
#include "core/runtime.h"
#include "core/service_life.h"
#include "socket/deadline.h"
#include "socket/fd.h"
#include "socket/lua_common.h"
#include "socket/resolver.h"
#include "socket/slot.h"
#include "socket/tls.h"

#define WRITE_LIMIT (512L * 1024 * 1024)
#define FLUSH_EVERY_US 2000

void reef_socket_setup(void);

/* The process ends: what has been written is still sent. The poller may be doing the same. */
static void flush_all(uint64_t deadline_ns) {
	reef_resolver_stop();
	for (;;) {
		bool unsent = false;
		for (int id = reef_socket_next(0); id != 0; id = reef_socket_next(id)) {
			struct reef_slot *slot = reef_slot_lock(id);
			if (slot == NULL)
				continue;
			reef_slot_flush(slot);
			unsent |= slot->fd >= 0 && reef_slot_unsent(slot) + slot->sealed > 0;
			reef_slot_unlock(slot);
		}
		if (!unsent || reef_now_ns() >= deadline_ns)
			return;
		usleep(FLUSH_EVERY_US);
	}
}

/* SIGHUP. */
static void reload(void) {
	reef_resolver_flush();
	char error[512];
	size_t failed, done = reef_tls_reload(&failed, error, sizeof error);
	if (done > 0)
		reef_log(0, "tls: certificates were read again (%zu configurations)", done);
	if (failed > 0)
		reef_log(0, "error: tls: %zu configurations keep their certificates: %s", failed, error);
}

void reef_socket_setup(void) {
	reef_slot_setup();
	long limit = reef_env_int("socket_write_limit", WRITE_LIMIT);
	reef_write_limit = limit > 0 ? (size_t)limit : SIZE_MAX;
	reef_deadline_setup();
	reef_accept_keep_spare();
	reef_fd_setup();
	reef_resolver_setup();
	reef_poller_set_handler(REEF_POLL_SOCKET, reef_slot_poll_event);
	reef_service_on_end(reef_slot_orphan_all);
	reef_runtime_on_stop(flush_all);
	reef_runtime_on_hangup(reload);
	reef_host_preload("reef.socketcore", reef_open_socketcore);
	reef_host_preload("skynet.socketdriver", reef_open_socketdriver);
	reef_host_preload("skynet.netpack", reef_open_netpack);
	reef_host_preload("reef.tls.core", reef_open_tlscore);
	reef_host_preload("reef.fd.core", reef_open_fdcore);
}
