/* See connect.h, and RFC 8305 ("Happy Eyeballs"): families take turns, and an attempt that has neither failed nor
 * succeeded after a while gets company instead of keeping the deadline to itself. The first that connects is the socket;
 * the others are closed. */
#include "connect.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attempts.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/net.h"
#include "core/poller.h"
#include "expiry.h"
#include "socket/names/resolver.h"
#include "stream.h"
#include "teardown.h"

/* RFC 8305, 8: the Connection Attempt Delay, and the least it may be. A short deadline is shared out. */
#define DELAY_NS 250000000u
#define LEAST_DELAY_NS 10000000u
/* unix(7): a non-blocking connect to a socket whose backlog is full fails with EAGAIN and sends no event later. */
#define RETRY_NS 5000000u

static void won(struct reef_slot *slot, int fd) {
	slot->fd = fd;
	slot->polled = true;
	reef_attempts_end(slot);
	reef_expiry_set(slot, slot->connect_deadline_ns);
	reef_stream_connected(slot);
}

/* What an address that cannot be reached from here says hides nothing that another one has said. */
static void note_error(struct reef_slot *slot, int error) {
	bool local = error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
	if (!local || slot->error == EADDRNOTAVAIL)
		slot->error = error;
}

static void set_options(int fd, int family) {
	if (family == AF_UNIX)
		return;
	int on = 1;
	reef_net->set(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	reef_net->set(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* 0: under way, or done and the socket is no longer CONNECTING; else an errno. */
static int attempt(struct reef_slot *slot, const struct reef_address *address) {
	struct reef_attempts *c = slot->attempts;
	int fd = reef_net->socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	set_options(fd, address->any.sa_family);
	bool done = reef_net->connect(fd, &address->any, address->size) == 0;
	int error = done || errno == EINPROGRESS ? 0 : errno;
	if (error == 0)
		error = reef_poller_add(fd, REEF_POLL_SOCKET, atomic_load(&slot->id), REEF_STREAM_EVENTS);
	if (error != 0) {
		reef_net->close(fd);
		return error;
	}
	if (done) {
		won(slot, fd);
		return 0;
	}
	reef_attempts_push(c, fd);
	return 0;
}

/* When the next address is tried, if nothing happens before. */
static uint64_t next_attempt(const struct reef_slot *slot) {
	const struct reef_attempts *c = slot->attempts;
	uint64_t now = reef_now_ns(), end = slot->connect_deadline_ns;
	if (c->next == c->count || now >= end)
		return end;
	uint64_t share = (end - now) / (c->count - c->next + 1);
	uint64_t delay = share < LEAST_DELAY_NS ? LEAST_DELAY_NS : share < DELAY_NS ? share : DELAY_NS;
	return now + delay < end ? now + delay : end;
}

/* Begins an attempt at the next address that does not fail at once. */
static void try_next(struct reef_slot *slot) {
	struct reef_attempts *c = slot->attempts;
	slot->state = REEF_SLOT_CONNECTING;
	atomic_store(&slot->connecting, true);
	while (c->next < c->count) {
		const struct reef_address *address = &c->items[c->next];
		int error = attempt(slot, address);
		if (slot->state != REEF_SLOT_CONNECTING)
			return;
		if (error == EAGAIN && address->any.sa_family == AF_UNIX) {
			uint64_t again = reef_now_ns() + RETRY_NS;
			reef_expiry_set(slot, again < slot->connect_deadline_ns ? again : slot->connect_deadline_ns);
			return;
		}
		c->next++;
		if (error == 0)
			break;
		note_error(slot, error);
	}
	if (c->running == 0 && c->next == c->count && !c->resolving)
		reef_teardown_broken(slot, slot->error);
	else
		reef_expiry_set(slot, next_attempt(slot));
}

void reef_connect_check(struct reef_slot *slot) {
	struct reef_attempts *c = slot->attempts;
	bool failed = false;
	for (int i = 0; i < c->running;) {
		int error = 0, fd = c->fds[i];
		socklen_t size = sizeof error;
		reef_net->get(fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error != 0) {
			reef_net->close(reef_attempts_take(c, i));
			note_error(slot, error);
			failed = true;
			continue;
		}
		/* An event from before the connect says nothing: ask the socket itself. */
		int events = reef_net->ready(fd, POLLOUT);
		if (events != 0 && !(events & (POLLERR | POLLHUP))) {
			won(slot, reef_attempts_take(c, i));
			return;
		}
		i++;
	}
	if (failed)
		try_next(slot);
}

void reef_connect_expired(struct reef_slot *slot) {
	bool late = reef_now_ns() >= slot->connect_deadline_ns;
	/* What has come about already counts, whenever this thread gets to see it. */
	if (late && slot->state == REEF_SLOT_CONNECTING)
		reef_connect_check(slot);
	if (slot->attempts == NULL)
		return;
	if (late)
		reef_teardown_broken(slot, ETIMEDOUT);
	else if (slot->state == REEF_SLOT_CONNECTING)
		try_next(slot);
}

static void add_addresses(struct reef_slot *slot, const struct reef_address *addresses, size_t n) {
	struct reef_attempts *c = slot->attempts;
	reef_attempts_add(c, addresses, n);
	if (slot->state == REEF_SLOT_RESOLVING || c->running == 0)
		try_next(slot);
	else
		reef_expiry_set(slot, next_attempt(slot));
}

/* In the owner's slice; harmless for an id that no longer connects. */
static void resolved(int id, const struct reef_address *addresses, size_t n, bool last, const char *error) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	struct reef_attempts *c = slot->attempts;
	if (c) {
		c->resolving = c->resolving && !last;
		if (last && c->count == 0 && n == 0) {
			slot->error_text = reef_strdup(error);
			reef_teardown_broken(slot, 0);
		} else if (n > 0) {
			add_addresses(slot, addresses, n);
		} else if (last && c->running == 0) {
			try_next(slot);
		}
	}
	reef_slot_unlock(slot);
}

void reef_connect_begin(struct reef_slot *slot, const struct reef_endpoint *endpoint) {
	struct reef_attempts *c = reef_attempts_begin(slot);
	c->resolving = !endpoint->literal;
	slot->state = REEF_SLOT_RESOLVING;
	slot->error = EADDRNOTAVAIL;
	reef_expiry_set(slot, slot->connect_deadline_ns);
	int id = (int)atomic_load(&slot->id);
	if (endpoint->literal)
		add_addresses(slot, &endpoint->address, 1);
	else
		reef_resolver_open(atomic_load(&slot->owner), id, endpoint->host, endpoint->port, resolved);
}
