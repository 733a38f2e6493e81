/* See socket.h. */
#include "socket.h"
#include "core/slice.h"
#include "real.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "close.h"
#include "connect.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/env.h"
#include "core/net.h"
#include "core/service.h"
#include "expiry.h"
#include "output.h"
#include "secure.h"
#include "slot.h"
#include "teardown.h"

static uint32_t current_handle(void) {
	return reef_service_handle(reef_slice_service());
}

/* ---- opening ---- */

int reef_real_open(const char *host, int port, uint64_t deadline_ns, const struct reef_sink *sink, void *ud,
				   const char **error) {
	struct reef_endpoint endpoint;
	*error = reef_endpoint_parse(&endpoint, host, port);
	if (*error)
		return 0;
	struct reef_slot *slot = reef_slot_new(REEF_KIND_STREAM, current_handle());
	if (slot == NULL) {
		*error = REEF_SLOT_LIMIT_TEXT;
		return 0;
	}
	int id = (int)atomic_load(&slot->id);
	slot->sink = sink;
	slot->ud = ud;
	if (deadline_ns == 0)
		deadline_ns = reef_now_ns() + (uint64_t)reef_env_int("socket_connect_timeout", 3000) * 10000000u;
	slot->connect_deadline_ns = deadline_ns;
	reef_connect_begin(slot, &endpoint);
	reef_slot_unlock(slot);
	return id;
}

int reef_real_bind_fd(int fd, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_slot *slot = reef_slot_new(REEF_KIND_BIND, current_handle());
	if (slot == NULL) {
		*error = REEF_SLOT_LIMIT_TEXT;
		return 0;
	}
	slot->fd = fd;
	slot->sink = sink;
	slot->ud = ud;
	int id = (int)atomic_load(&slot->id);
	int failed = reef_slot_poll(slot);
	if (failed != 0) {
		*error = strerrordesc_np(failed);
		reef_teardown(slot);
		reef_slot_unlock(slot);
		return 0;
	}
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY) {
		atomic_store(&slot->reading, true);
		reef_slot_signal(slot, EPOLLIN);
	}
	reef_slot_unlock(slot);
	return id;
}

/* ---- owning ---- */

const char *reef_real_start(int id, const struct reef_sink *sink, void *ud, bool tell) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return "invalid socket";
	const char *error = NULL;
	if (slot->state == REEF_SLOT_CLOSING || slot->state == REEF_SLOT_DEAD)
		error = "socket closed";
	else if (slot->state != REEF_SLOT_OPEN)
		error = "invalid socket";
	if (error) {
		reef_slot_unlock(slot);
		return error;
	}
	reef_slot_set_owner(slot, current_handle());
	slot->sink = sink;
	slot->ud = ud;
	bool known = slot->polled || slot->unpollable;
	/* Before the poller knows it: what it reports at once must be wanted. */
	atomic_store(&slot->reading, !slot->fin);
	int failed = reef_slot_poll(slot);
	if (failed != 0) {
		slot->sink = NULL;
		reef_teardown_broken(slot, failed);
		reef_slot_unlock(slot);
		return strerrordesc_np(failed);
	}
	if (slot->tls && slot->kind == REEF_KIND_STREAM && !reef_tls_established(slot->tls)) {
		reef_tls_set_tell(slot->tls, tell);
		reef_expiry_set(slot, reef_now_ns() + reef_tls_timeout_ns(slot->tls));
		reef_secure_begin(slot);
		reef_slot_unlock(slot);
		return NULL;
	}
	if (tell)
		reef_slot_signal(slot, REEF_TELL_OPENED);
	/* A socket that the poller knew already will not be reported again for what waits in it. */
	if (slot->fin)
		reef_slot_tell(slot, REEF_TELL_CLOSED);
	else if (known)
		reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
	reef_slot_unlock(slot);
	return NULL;
}

/* Whoever starts the socket next goes on with it. */
static void suspend_handshake(struct reef_slot *slot) {
	reef_expiry_set(slot, 0);
	slot->state = REEF_SLOT_OPEN;
	atomic_store(&slot->connecting, false);
}

void reef_real_abandon(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	slot->sink = NULL;
	slot->ud = NULL;
	atomic_store(&slot->reading, false);
	atomic_fetch_and(&slot->ready, ~(uint32_t)REEF_TELL);
	bool client = slot->state == REEF_SLOT_HANDSHAKE && !reef_tls_is_server(slot->tls);
	if (slot->state == REEF_SLOT_RESOLVING || slot->state == REEF_SLOT_CONNECTING || client)
		reef_teardown(slot);
	else if (slot->state == REEF_SLOT_HANDSHAKE)
		suspend_handshake(slot);
	reef_slot_unlock(slot);
}

void reef_real_set_ud(int id, const struct reef_sink *sink, void *ud) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	if (slot->sink == sink && atomic_load(&slot->owner) == current_handle())
		slot->ud = ud;
	reef_slot_unlock(slot);
}

void reef_real_pause(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	if (slot->state == REEF_SLOT_OPEN || slot->state == REEF_SLOT_HANDSHAKE)
		atomic_store(&slot->reading, false);
	reef_slot_unlock(slot);
}

void reef_real_resume(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	bool known = slot->polled || slot->unpollable;
	bool open = slot->state == REEF_SLOT_OPEN || slot->state == REEF_SLOT_HANDSHAKE;
	if (open && !slot->fin && known && slot->sink && !atomic_exchange(&slot->reading, true))
		reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
	reef_slot_unlock(slot);
}

/* ---- writing ---- */

bool reef_real_write(int id, const void *bytes, size_t n, enum reef_priority priority) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool ok = reef_output_write(slot, bytes, n, priority);
	reef_slot_unlock(slot);
	return ok;
}

bool reef_real_write_take(int id, void *block, size_t n, enum reef_priority priority) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL) {
		reef_free(block);
		return false;
	}
	bool ok = reef_output_write_take(slot, block, n, priority);
	reef_slot_unlock(slot);
	return ok;
}

bool reef_real_write_shared(int id, struct reef_payload *payload) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool ok = reef_output_write_shared(slot, payload);
	reef_slot_unlock(slot);
	return ok;
}

size_t reef_real_unsent(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return 0;
	size_t unsent = reef_slot_unsent(slot);
	reef_slot_unlock(slot);
	return unsent;
}

/* ---- ends ---- */

void reef_real_close(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	reef_close(slot);
	reef_slot_unlock(slot);
}

void reef_real_shutdown(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	reef_close_at_once(slot);
	reef_slot_unlock(slot);
}

uint32_t reef_real_owner(int id) {
	struct reef_slot *slot = id > 0 ? reef_slot_peek((uint32_t)id) : NULL;
	return slot ? atomic_load(&slot->owner) : 0;
}

void reef_real_set_linger(int id, uint64_t ns) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	slot->linger_ns = ns;
	if (slot->state == REEF_SLOT_CLOSING)
		reef_expiry_set(slot, reef_now_ns() + ns);
	reef_slot_unlock(slot);
}

bool reef_real_nodelay(int id, bool on) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	int value = on;
	bool ok = slot->fd >= 0 ? reef_net->set(slot->fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0
							: slot->attempts && on; /* as every attempt is made */
	reef_slot_unlock(slot);
	return ok;
}

/* ---- TLS ---- */

/* A new connection, before the connect is done or on what is connected. */
static void begin_tls(struct reef_slot *slot, const struct reef_tls_target *target, const void *received, size_t n) {
	slot->tls = slot->tls ? reef_tls_new_within(slot->tls, target) : reef_tls_new(target);
	reef_tls_set_tell(slot->tls, true);
	if (slot->state != REEF_SLOT_OPEN || slot->kind != REEF_KIND_STREAM)
		return;
	/* It may have been connected at once, and not have told so yet. */
	bool told = !(atomic_fetch_and(&slot->ready, ~(uint32_t)REEF_TELL_OPENED) & REEF_TELL_OPENED);
	if (told || slot->connect_deadline_ns == 0)
		reef_expiry_set(slot, reef_now_ns() + reef_tls_timeout_ns(slot->tls));
	else
		reef_expiry_set(slot, slot->connect_deadline_ns);
	reef_secure_begin_amid(slot, received, n);
}

bool reef_real_use_tls(int id, const struct reef_tls_target *target, const void *received, size_t n) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool stream = slot->kind == REEF_KIND_STREAM || slot->kind == REEF_KIND_LISTEN;
	bool plain = slot->tls == NULL ||
				 (slot->kind == REEF_KIND_STREAM && reef_tls_established(slot->tls) && !reef_tls_is_within(slot->tls));
	bool ok = stream && plain && slot->state <= REEF_SLOT_OPEN && !slot->fin && slot->write_error == 0 &&
			  atomic_load(&slot->owner) == current_handle();
	if (ok)
		begin_tls(slot, target, received, n);
	reef_slot_unlock(slot);
	return ok;
}

bool reef_real_tls_info(int id, struct reef_tls_info *info) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool ok = slot->tls != NULL && slot->kind == REEF_KIND_STREAM;
	if (ok)
		reef_tls_fill_info(slot->tls, info);
	reef_slot_unlock(slot);
	return ok;
}
