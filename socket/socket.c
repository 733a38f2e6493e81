/* The functions of socket.h about streams and listeners. */
#include "socket/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/env.h"
#include "core/service.h"
#include "core/slice.h"
#include "socket/address.h"
#include "socket/deadline.h"
#include "socket/resolver.h"
#include "socket/slot.h"
#include "socket/tls_private.h"

static uint32_t current_handle(void) {
	return reef_service_handle(reef_slice_service());
}

/* ---- opening ---- */

int reef_socket_open(const char *host, int port, uint64_t deadline_ns, const struct reef_sink *sink, void *ud,
					 const char **error) {
	struct reef_target target;
	*error = reef_target_parse(&target, host, port);
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
	reef_deadline_set(slot, deadline_ns);
	reef_connect_begin(slot, !target.literal);
	if (target.literal)
		reef_connect_add(slot, &target.address, 1);
	else
		reef_resolver_open(current_handle(), id, target.host, target.port);
	reef_slot_unlock(slot);
	return id;
}

/* A Unix socket's file that nobody listens on any more is in the way of its successor. */
static void remove_stale(const struct reef_address *address) {
	const char *path = address->local.sun_path;
	struct stat file;
	if (path[0] == '\0' || stat(path, &file) != 0 || !S_ISSOCK(file.st_mode))
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, &address->any, address->size) != 0 && errno == ECONNREFUSED)
		unlink(path);
	close(fd);
}

/* A listening descriptor, or -1 with errno. */
static int listen_on(const struct reef_address *address, int backlog) {
	int family = address->any.sa_family, on = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (family == AF_UNIX) {
		remove_stale(address);
	} else {
		/* Accepted connections inherit all three. */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	}
	if (bind(fd, &address->any, address->size) == 0 && listen(fd, backlog) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int reef_socket_listen(const char *host, int port, int backlog, char *ip, int *real_port, const char **error) {
	struct reef_target target;
	*error = reef_target_parse(&target, host, port);
	if (*error)
		return 0;
	struct reef_answer all = {.list = NULL};
	if (!target.literal && !reef_resolver_now(target.host, target.port, &all, error)) {
		reef_free(all.list);
		return 0;
	}
	int fd = target.literal ? listen_on(&target.address, backlog) : -1;
	for (size_t i = 0; fd < 0 && i < all.n; i++)
		fd = listen_on(&all.list[i], backlog);
	int failed = errno;
	reef_free(all.list);
	if (fd < 0) {
		*error = strerrordesc_np(failed);
		return 0;
	}
	struct reef_slot *slot = reef_slot_new(REEF_KIND_LISTEN, current_handle());
	if (slot == NULL) {
		close(fd);
		*error = REEF_SLOT_LIMIT_TEXT;
		return 0;
	}
	slot->fd = fd;
	int id = (int)atomic_load(&slot->id);
	reef_slot_unlock(slot);
	struct reef_address real;
	char text[REEF_ADDRESS_SIZE];
	int unused;
	if (reef_address_of(fd, &real))
		reef_address_split(&real, ip ? ip : text, real_port ? real_port : &unused);
	return id;
}

int reef_socket_bind_fd(int fd, const struct reef_sink *sink, void *ud, const char **error) {
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
		reef_slot_kill(slot);
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

const char *reef_socket_start(int id, const struct reef_sink *sink, void *ud, bool tell) {
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
		reef_slot_break(slot, failed);
		reef_slot_unlock(slot);
		return strerrordesc_np(failed);
	}
	if (slot->tls && slot->kind == REEF_KIND_STREAM && !reef_tls_established(slot->tls)) {
		reef_tls_set_tell(slot->tls, tell);
		reef_deadline_set(slot, reef_now_ns() + reef_tls_timeout_ns(slot->tls));
		reef_slot_begin_handshake(slot);
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
	reef_deadline_set(slot, 0);
	slot->state = REEF_SLOT_OPEN;
	atomic_store(&slot->connecting, false);
}

void reef_socket_abandon(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	slot->sink = NULL;
	slot->ud = NULL;
	atomic_store(&slot->reading, false);
	atomic_fetch_and(&slot->ready, ~(uint32_t)REEF_TELL);
	bool client = slot->state == REEF_SLOT_HANDSHAKE && !reef_tls_is_server(slot->tls);
	if (slot->state == REEF_SLOT_RESOLVING || slot->state == REEF_SLOT_CONNECTING || client)
		reef_slot_kill(slot);
	else if (slot->state == REEF_SLOT_HANDSHAKE)
		suspend_handshake(slot);
	reef_slot_unlock(slot);
}

bool reef_socket_set_sink(int id, const struct reef_sink *sink, void *ud) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	slot->sink = sink;
	slot->ud = ud;
	reef_slot_unlock(slot);
	return true;
}

void reef_socket_pause(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	if (slot->state == REEF_SLOT_OPEN || slot->state == REEF_SLOT_HANDSHAKE)
		atomic_store(&slot->reading, false);
	reef_slot_unlock(slot);
}

void reef_socket_resume(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	bool known = slot->polled || slot->unpollable;
	bool open = slot->state == REEF_SLOT_OPEN || slot->state == REEF_SLOT_HANDSHAKE;
	if (open && !slot->fin && known && slot->sink && !atomic_exchange(&slot->reading, true))
		reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
	reef_slot_unlock(slot);
}

/* ---- ends ---- */

void reef_socket_close(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	reef_slot_close(slot);
	reef_slot_unlock(slot);
}

void reef_socket_shutdown(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	slot->linger_ns = 0;
	if (slot->state == REEF_SLOT_CLOSING)
		reef_slot_kill(slot);
	else
		reef_slot_close(slot);
	reef_slot_unlock(slot);
}

uint32_t reef_socket_owner(int id) {
	struct reef_slot *slot = id > 0 ? reef_slot_peek((uint32_t)id) : NULL;
	return slot ? atomic_load(&slot->owner) : 0;
}

void reef_socket_set_linger(int id, uint64_t ns) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	slot->linger_ns = ns;
	if (slot->state == REEF_SLOT_CLOSING)
		reef_deadline_set(slot, reef_now_ns() + ns);
	reef_slot_unlock(slot);
}

bool reef_socket_nodelay(int id, bool on) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	int value = on;
	bool ok = slot->fd >= 0 ? setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0
							: slot->connect && on; /* as every attempt is made */
	reef_slot_unlock(slot);
	return ok;
}

/* ---- TLS ---- */

/* A new connection, before the connect is done or on what is connected. */
static void use_tls(struct reef_slot *slot, const struct reef_tls_target *target, const void *received, size_t n) {
	slot->tls = reef_tls_new(target);
	reef_tls_set_tell(slot->tls, true);
	if (slot->state != REEF_SLOT_OPEN || slot->kind != REEF_KIND_STREAM)
		return;
	/* It may have been connected at once, and not have told so yet. */
	bool told = !(atomic_fetch_and(&slot->ready, ~(uint32_t)REEF_TELL_OPENED) & REEF_TELL_OPENED);
	if (told || slot->connect_deadline_ns == 0)
		reef_deadline_set(slot, reef_now_ns() + reef_tls_timeout_ns(slot->tls));
	else
		reef_deadline_set(slot, slot->connect_deadline_ns);
	reef_tls_preload(slot, received, n);
	reef_tls_send_first(slot);
	reef_slot_begin_handshake(slot);
}

bool reef_socket_use_tls(int id, const struct reef_tls_target *target, const void *received, size_t n) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool stream = slot->kind == REEF_KIND_STREAM || slot->kind == REEF_KIND_LISTEN;
	bool ok = stream && slot->tls == NULL && slot->state <= REEF_SLOT_OPEN && !slot->fin && slot->write_error == 0 &&
			  atomic_load(&slot->owner) == current_handle();
	if (ok)
		use_tls(slot, target, received, n);
	reef_slot_unlock(slot);
	return ok;
}

bool reef_socket_tls_info(int id, struct reef_tls_info *info) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool ok = slot->tls != NULL && slot->kind == REEF_KIND_STREAM;
	if (ok)
		reef_tls_fill_info(slot->tls, info);
	reef_slot_unlock(slot);
	return ok;
}
