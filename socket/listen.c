/* See listen.h. */
#include "listen.h"
#include "core/clock.h"
#include "core/slice.h"
#include "real.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "close.h"
#include "core/log.h"
#include "core/net.h"
#include "core/service.h"
#include "core/sim.h"
#include "expiry.h"
#include "slot.h"
#include "socket/names/endpoint.h"
#include "socket/names/resolver.h"
#include "tell.h"

#define ACCEPTS 64 /* a slice's share */
/* After a failure that leaves the connection pending, about which the poller says nothing more. */
#define ACCEPT_AGAIN_NS 100000000u

/* ---- making ---- */

/* A Unix socket's file that nobody listens on any more is in the way of its successor. */
static void remove_stale(const struct reef_address *address) {
	const char *path = address->local.sun_path;
	struct stat file;
	if (reef_sim_on || path[0] == '\0' || stat(path, &file) != 0 || !S_ISSOCK(file.st_mode))
		return;
	int fd = reef_net->socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (reef_net->connect(fd, &address->any, address->size) != 0 && errno == ECONNREFUSED)
		unlink(path);
	reef_net->close(fd);
}

/* A listening descriptor, or -1 with errno. */
static int listen_on(const struct reef_address *address, int backlog) {
	int family = address->any.sa_family, on = 1;
	int fd = reef_net->socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (family == AF_UNIX) {
		remove_stale(address);
	} else {
		/* Accepted connections inherit all three. */
		reef_net->set(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		reef_net->set(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
		reef_net->set(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	}
	if (reef_net->bind(fd, &address->any, address->size) == 0 && reef_net->listen(fd, backlog) == 0)
		return fd;
	int error = errno;
	reef_net->close(fd);
	errno = error;
	return -1;
}

int reef_real_listen_open(const char *host, int port, int backlog, char *ip, int *real_port, const char **error) {
	struct reef_endpoint endpoint;
	*error = reef_endpoint_parse(&endpoint, host, port);
	if (*error)
		return 0;
	struct reef_answer all = {.items = NULL};
	if (!endpoint.literal && !reef_resolver_now(endpoint.host, endpoint.port, &all, error)) {
		reef_answer_fini(&all);
		return 0;
	}
	int fd = endpoint.literal ? listen_on(&endpoint.address, backlog) : -1;
	for (size_t i = 0; fd < 0 && i < all.count; i++)
		fd = listen_on(&all.items[i], backlog);
	int failed = errno;
	reef_answer_fini(&all);
	if (fd < 0) {
		*error = strerrordesc_np(failed);
		return 0;
	}
	struct reef_slot *slot = reef_slot_new(REEF_KIND_LISTEN, reef_service_handle(reef_slice_service()));
	if (slot == NULL) {
		reef_net->close(fd);
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

void reef_real_listen_announce(int id, const struct reef_sink *sink, void *ud) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	slot->sink = sink;
	slot->ud = ud;
	reef_slot_tell(slot, REEF_TELL_OPENED);
	reef_slot_unlock(slot);
}

/* ---- accepting ---- */

/* Kept for the moment when the process has no descriptor left: without one the pending connection could not even be
 * turned away, and its client would hang. */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static int spare = -1;

static bool accept_and_drop(int listener) {
	pthread_mutex_lock(&spare_lock);
	if (spare >= 0)
		close(spare);
	int fd = reef_net->accept(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		reef_net->close(fd);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_unlock(&spare_lock);
	return fd >= 0;
}

void reef_listen_keep_spare(void) {
	pthread_mutex_lock(&spare_lock);
	if (spare < 0)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_unlock(&spare_lock);
}

/* A new slot for the connection, not locked; 0 when there are too many. */
static uint32_t slot_for(int fd, uint32_t owner, struct reef_tls *tls) {
	struct reef_slot *slot = reef_slot_new(REEF_KIND_STREAM, owner);
	if (slot == NULL) {
		reef_net->close(fd);
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

/* Nobody wants it. */
static void turn_down(uint32_t id) {
	struct reef_slot *slot = reef_slot_lock((int)id);
	if (slot == NULL)
		return;
	reef_close_at_once(slot);
	reef_slot_unlock(slot);
}

bool reef_listen_accept(struct reef_slot *slot, uint32_t id, uint32_t owner) {
	reef_listen_keep_spare();
	for (int i = 0; slot->state == REEF_SLOT_OPEN && atomic_load(&slot->reading); i++) {
		if (i == ACCEPTS) {
			reef_slot_signal(slot, EPOLLIN);
			return true;
		}
		struct reef_address peer = {.size = sizeof peer.local};
		int fd = reef_net->accept(slot->fd, &peer.any, &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			int error = errno;
			if (error == EAGAIN)
				return true;
			if (error == EINTR || error == ECONNABORTED)
				continue;
			reef_log(owner, "socket: accept error: %s", strerrordesc_np(error));
			if ((error == EMFILE || error == ENFILE) && accept_and_drop(slot->fd))
				continue;
			reef_expiry_set(slot, reef_now_ns() + ACCEPT_AGAIN_NS);
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
		uint32_t newid = slot_for(fd, owner, tls);
		if (newid != 0) {
			if (sink && sink->accepted)
				reef_tell_accepted(sink, ud, (int)id, (int)newid, text);
			else
				turn_down(newid);
		}
		if (!reef_slot_relock(slot, owner))
			return false;
	}
	return true;
}
