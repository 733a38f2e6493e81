/* See setup.h. */
#include "setup.h"
#include "core/clock.h"
#include "core/service_life.h"

#include <stdint.h>
#include <unistd.h>

#include "close.h"
#include "core/env.h"
#include "core/log.h"
#include "core/poller.h"
#include "core/runtime.h"
#include "events.h"
#include "expiry.h"
#include "info.h"
#include "listen.h"
#include "output.h"
#include "replayed.h"
#include "slot.h"
#include "socket/fd/fd.h"
#include "socket/names/resolver.h"
#include "socket/tls/context.h"

#define WRITE_LIMIT (512L * 1024 * 1024)
#define FLUSH_EVERY_US 2000

/* The process ends: what has been written is still sent. The poller may be doing the same. */
static void flush_all(uint64_t deadline_ns) {
	reef_resolver_stop();
	for (;;) {
		bool unsent = false;
		for (int id = reef_info_next(0); id != 0; id = reef_info_next(id)) {
			struct reef_slot *slot = reef_slot_lock(id);
			if (slot == NULL)
				continue;
			reef_output_flush(slot);
			unsent |= slot->fd >= 0 && reef_slot_unsent(slot) + reef_slot_sealed(slot) > 0;
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
	size_t failed, done = reef_tls_context_reload_all(&failed, error, sizeof error);
	if (done > 0)
		reef_log(0, "tls: certificates were read again (%zu configurations)", done);
	if (failed > 0)
		reef_log(0, "error: tls: %zu configurations keep their certificates: %s", failed, error);
}

void reef_socket_setup(void) {
	reef_slot_setup(reef_events_deliver, reef_events_drop, reef_output_deferred_flush);
	reef_expiry_setup(reef_events_expired);
	reef_listen_keep_spare();
	long limit = reef_env_int("socket_write_limit", WRITE_LIMIT);
	reef_output_set_limit(limit > 0 ? (size_t)limit : SIZE_MAX);
	reef_socket_replayed_setup();
	reef_fd_setup();
	reef_resolver_setup();
	reef_poller_set_handler(REEF_POLL_SOCKET, reef_events_polled);
	reef_service_on_end(reef_close_orphans);
	reef_runtime_on_stop(flush_all);
	reef_runtime_on_hangup(reload);
}
