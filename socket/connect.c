/* Connecting through several addresses, by RFC 8305 ("Happy Eyeballs"): families take turns, and an attempt that has
 * neither failed nor succeeded after a while gets company instead of keeping the deadline to itself. The first that
 * connects is the socket; the others are closed. See slot.h; the slot is locked in all of this. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/poller.h"
#include "socket/address.h"
#include "socket/deadline.h"
#include "socket/resolver.h"
#include "socket/slot.h"

/* RFC 8305, 8: the Connection Attempt Delay, and the least it may be. A short deadline is shared out. */
#define DELAY_NS 250000000u
#define LEAST_DELAY_NS 10000000u
/* Attempts at a time; one more takes the place of the oldest. */
#define ATTEMPTS 8
/* unix(7): a non-blocking connect to a socket whose backlog is full fails with EAGAIN and sends no event later. */
#define RETRY_NS 5000000u

struct reef_connect {
	struct reef_address *list; /* n of them; those before `next` have been tried */
	size_t n, next;
	bool resolving; /* more may come */
	int attempts;
	int fds[ATTEMPTS]; /* the oldest first */
};

void reef_connect_begin(struct reef_slot *slot, bool resolving) {
	slot->connect = reef_calloc(1, sizeof *slot->connect);
	slot->connect->resolving = resolving;
	slot->state = REEF_SLOT_RESOLVING;
	slot->error = EADDRNOTAVAIL;
}

void reef_connect_end(struct reef_slot *slot) {
	struct reef_connect *c = slot->connect;
	if (c == NULL)
		return;
	for (int i = 0; i < c->attempts; i++)
		close(c->fds[i]);
	if (c->resolving)
		reef_resolver_forget((int)atomic_load(&slot->id));
	reef_free(c->list);
	reef_free(c);
	slot->connect = NULL;
}

static void take_out(struct reef_connect *c, int i) {
	c->attempts--;
	memmove(&c->fds[i], &c->fds[i + 1], (size_t)(c->attempts - i) * sizeof c->fds[0]);
}

static void won(struct reef_slot *slot, int fd) {
	slot->fd = fd;
	slot->polled = true;
	reef_connect_end(slot);
	reef_deadline_set(slot, slot->connect_deadline_ns);
	reef_slot_connected(slot);
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
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* 0: under way, or done and the socket is no longer CONNECTING; else an errno. */
static int attempt(struct reef_slot *slot, const struct reef_address *address) {
	struct reef_connect *c = slot->connect;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	set_options(fd, address->any.sa_family);
	bool done = connect(fd, &address->any, address->size) == 0;
	int error = done || errno == EINPROGRESS ? 0 : errno;
	if (error == 0)
		error = reef_poller_add(fd, REEF_POLL_SOCKET, atomic_load(&slot->id), REEF_STREAM_EVENTS);
	if (error != 0) {
		close(fd);
		return error;
	}
	if (done) {
		won(slot, fd);
		return 0;
	}
	if (c->attempts == ATTEMPTS) {
		close(c->fds[0]);
		take_out(c, 0);
	}
	c->fds[c->attempts++] = fd;
	return 0;
}

/* When the next address is tried, if nothing happens before. */
static uint64_t next_attempt(const struct reef_slot *slot) {
	const struct reef_connect *c = slot->connect;
	uint64_t now = reef_now_ns(), end = slot->connect_deadline_ns;
	if (c->next == c->n || now >= end)
		return end;
	uint64_t share = (end - now) / (c->n - c->next + 1);
	uint64_t delay = share < LEAST_DELAY_NS ? LEAST_DELAY_NS : share < DELAY_NS ? share : DELAY_NS;
	return now + delay < end ? now + delay : end;
}

/* Begins an attempt at the next address that does not fail at once. */
static void go_on(struct reef_slot *slot) {
	struct reef_connect *c = slot->connect;
	slot->state = REEF_SLOT_CONNECTING;
	atomic_store(&slot->connecting, true);
	while (c->next < c->n) {
		const struct reef_address *address = &c->list[c->next];
		int error = attempt(slot, address);
		if (slot->state != REEF_SLOT_CONNECTING)
			return;
		if (error == EAGAIN && address->any.sa_family == AF_UNIX) {
			uint64_t again = reef_now_ns() + RETRY_NS;
			reef_deadline_set(slot, again < slot->connect_deadline_ns ? again : slot->connect_deadline_ns);
			return;
		}
		c->next++;
		if (error == 0)
			break;
		note_error(slot, error);
	}
	if (c->attempts == 0 && c->next == c->n && !c->resolving)
		reef_slot_break(slot, slot->error);
	else
		reef_deadline_set(slot, next_attempt(slot));
}

void reef_connect_check(struct reef_slot *slot) {
	struct reef_connect *c = slot->connect;
	bool failed = false;
	for (int i = 0; i < c->attempts;) {
		int error = 0, fd = c->fds[i];
		socklen_t size = sizeof error;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error != 0) {
			close(fd);
			take_out(c, i);
			note_error(slot, error);
			failed = true;
			continue;
		}
		/* An event from before the connect says nothing: ask the socket itself. */
		struct pollfd state = {.fd = fd, .events = POLLOUT};
		if (poll(&state, 1, 0) > 0 && !(state.revents & (POLLERR | POLLHUP))) {
			take_out(c, i);
			won(slot, fd);
			return;
		}
		i++;
	}
	if (failed)
		go_on(slot);
}

void reef_connect_expired(struct reef_slot *slot) {
	bool late = reef_now_ns() >= slot->connect_deadline_ns;
	/* What has come about already counts, whenever this thread gets to see it. */
	if (late && slot->state == REEF_SLOT_CONNECTING)
		reef_connect_check(slot);
	if (slot->connect == NULL)
		return;
	if (late)
		reef_slot_break(slot, ETIMEDOUT);
	else if (slot->state == REEF_SLOT_CONNECTING)
		go_on(slot);
}

/* RFC 8305, 4: families take turns, in the order that the resolver gave within each; `family` comes first. */
static void interleave(struct reef_address *list, size_t n, int family) {
	struct reef_address *sorted = reef_malloc((n + 1) * sizeof *sorted);
	size_t i = 0, j = 0, done = 0;
	while (done < n) {
		while (i < n && list[i].any.sa_family != family)
			i++;
		if (i < n)
			sorted[done++] = list[i++];
		while (j < n && list[j].any.sa_family == family)
			j++;
		if (j < n)
			sorted[done++] = list[j++];
	}
	memcpy(list, sorted, n * sizeof *list);
	reef_free(sorted);
}

void reef_connect_add(struct reef_slot *slot, const struct reef_address *addresses, size_t n) {
	struct reef_connect *c = slot->connect;
	if (n == 0)
		return;
	c->list = reef_realloc(c->list, (c->n + n) * sizeof *c->list);
	memcpy(c->list + c->n, addresses, n * sizeof *addresses);
	c->n += n;
	int last = c->next > 0 ? c->list[c->next - 1].any.sa_family : AF_INET;
	struct reef_address *rest = c->list + c->next;
	interleave(rest, c->n - c->next, last == AF_INET6 ? AF_INET : AF_INET6);
	if (slot->state == REEF_SLOT_RESOLVING || c->attempts == 0)
		go_on(slot);
	else
		reef_deadline_set(slot, next_attempt(slot));
}

void reef_connect_resolved(int id, const struct reef_address *addresses, size_t n, bool last, const char *error) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return;
	struct reef_connect *c = slot->connect;
	if (c) {
		c->resolving = c->resolving && !last;
		if (last && c->n == 0 && n == 0) {
			slot->error_text = reef_strdup(error);
			reef_slot_break(slot, 0);
		} else if (n > 0) {
			reef_connect_add(slot, addresses, n);
		} else if (last && c->attempts == 0) {
			go_on(slot);
		}
	}
	reef_slot_unlock(slot);
}
