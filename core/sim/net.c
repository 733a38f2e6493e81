/* See net.h: the calls of struct reef_net, for descriptors that are numbers of ends (stream.h). */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/net.h"
#include "core/sim.h"
#include "ends.h"
#include "links.h"
#include "nodes.h"
#include "stream.h"

#define BACKLOG 4096

static int fail(int error) {
	errno = error;
	return -1;
}

/* ---- the calls ---- */

static int sim_socket(int family, int type, int protocol) {
	(void)protocol;
	if (family == AF_INET6)
		return fail(EAFNOSUPPORT);
	if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM)
		reef_sim_refuse("a socket for datagrams (UDP)");
	return reef_sim_end_new()->fd;
}

static int sim_bind(int fd, const struct sockaddr *address, socklen_t size) {
	struct reef_sim_end *end = reef_sim_end_of(fd);
	if (!reef_sim_address_read(address, &end->here, &end->port)) {
		memcpy(&end->local, address, size);
		end->local_size = size;
		return 0;
	}
	if (end->port == 0)
		end->port = reef_sim_free_port();
	/* As it is said, "any address" too. */
	struct sockaddr_in said;
	memcpy(&said, address, sizeof said);
	reef_sim_address_set(&end->local, &end->local_size, ntohl(said.sin_addr.s_addr), end->port);
	return 0;
}

static int sim_listen(int fd, int backlog) {
	struct reef_sim_end *end = reef_sim_end_of(fd);
	const struct sockaddr *address = (const struct sockaddr *)&end->local;
	if (reef_sim_end_listening(address, end->local_size, end->here, end->port))
		return fail(EADDRINUSE);
	end->state = REEF_SIM_LISTENING;
	end->backlog = backlog > 0 && backlog < BACKLOG ? (size_t)backlog : BACKLOG;
	return 0;
}

static void established(void *ud, uint64_t life) {
	struct reef_sim_end *end = ud;
	if (end->life != life || end->state != REEF_SIM_CONNECTING)
		return;
	end->state = REEF_SIM_OPEN;
	reef_sim_stream_poke(end);
}

static void refused(void *ud, uint64_t life) {
	struct reef_sim_end *end = ud;
	if (end->life == life)
		reef_sim_stream_break(end, ECONNREFUSED);
}

#define SYN_AGAIN_NS 1000000000u

/* The wish to connect has come to the other host. */
static void asked(void *ud, uint64_t life) {
	struct reef_sim_end *end = ud;
	if (end->life != life || end->state != REEF_SIM_CONNECTING)
		return;
	struct reef_sim_end *listener =
			reef_sim_end_listening((struct sockaddr *)&end->remote, end->remote_size, end->there, end->port);
	bool lost =
			reef_sim_net_parted(end->here, end->there) || (listener && listener->pending.count >= listener->backlog);
	uint64_t now = reef_sim_now();
	if (lost) {
		reef_sim_at(now + SYN_AGAIN_NS, asked, end, life);
		return;
	}
	uint64_t answered = now + reef_sim_stream_delay();
	if (listener == NULL || reef_sim_fault(reef_sim_network.refuse)) {
		reef_sim_at(answered, refused, end, life);
		return;
	}
	struct reef_sim_end *other = reef_sim_end_new();
	other->state = REEF_SIM_OPEN;
	other->accepted = true;
	other->here = end->there;
	other->there = end->here;
	other->port = end->port;
	other->local = end->remote;
	other->local_size = end->remote_size;
	other->remote = end->local;
	other->remote_size = end->local_size;
	reef_sim_stream_join(end, other);
	/* Nothing comes before the connection itself does. */
	end->arrival = answered;
	struct reef_sim_end **place = reef_array_add(&listener->pending);
	if (place == NULL)
		reef_alloc_give_up(sizeof *place);
	*place = other;
	reef_sim_at(answered, established, end, life);
	reef_sim_stream_poke(listener);
}

static int sim_connect(int fd, const struct sockaddr *address, socklen_t size) {
	struct reef_sim_end *end = reef_sim_end_of(fd);
	if (reef_sim_address_read(address, &end->there, &end->port)) {
		end->here = reef_sim_node_here();
		reef_sim_address_set(&end->local, &end->local_size, end->here, reef_sim_free_port());
		reef_sim_address_set(&end->remote, &end->remote_size, end->there, end->port);
	} else {
		end->local.ss_family = AF_UNIX;
		end->local_size = sizeof end->local.ss_family;
		memcpy(&end->remote, address, size);
		end->remote_size = size;
	}
	end->state = REEF_SIM_CONNECTING;
	if (!reef_sim_fault(reef_sim_network.lose))
		reef_sim_at(reef_sim_now() + reef_sim_stream_delay(), asked, end, end->life);
	return fail(EINPROGRESS);
}

static int sim_accept(int fd, struct sockaddr *address, socklen_t *size, int flags) {
	(void)flags;
	struct reef_sim_end *end = reef_sim_end_of(fd);
	if (end->pending.count == 0)
		return fail(EAGAIN);
	struct reef_sim_end *taken = end->pending.items[0];
	memmove(end->pending.items, end->pending.items + 1, --end->pending.count * sizeof end->pending.items[0]);
	reef_sim_address_copy(&taken->remote, taken->remote_size, address, size);
	return taken->fd;
}

static void gone(void *ud, uint64_t life) {
	struct reef_sim_end *end = ud;
	if (end->life == life)
		reef_sim_stream_break(end, ECONNRESET);
}

static int sim_close(int fd) {
	struct reef_sim_end *end = reef_sim_end_of(fd);
	for (size_t i = 0; i < end->pending.count; i++)
		sim_close(end->pending.items[i]->fd);
	struct reef_sim_end *other = end->other;
	if (other) {
		/* As the kernel: who does not read what has come breaks the connection. */
		bool rude = end->size > 0;
		if (rude || !end->end_sent)
			reef_sim_stream_post(end, rude ? REEF_SIM_RST : REEF_SIM_END, NULL, 0);
		if (!rude && end->on_way > 0)
			reef_sim_at(end->arrival + reef_sim_stream_delay(), gone, other, other->life);
		other->other = NULL;
	}
	reef_sim_end_free(end);
	return 0;
}

static int take_error(struct reef_sim_end *end) {
	int error = end->error;
	end->error = 0;
	return error;
}

static ssize_t sim_recv(int fd, void *buffer, size_t size, int flags) {
	(void)flags;
	struct reef_sim_end *end = reef_sim_end_of(fd);
	if (end->size > 0)
		return (ssize_t)reef_sim_stream_take(end, buffer, size);
	if (end->error != 0)
		return fail(take_error(end));
	if (end->end_came || end->state == REEF_SIM_BROKEN)
		return 0;
	return fail(EAGAIN);
}

/* Nothing that is sent from here on arrives; each end hears of it when it does. */
static void cut(struct reef_sim_end *end) {
	struct reef_sim_end *other = end->other;
	reef_sim_at(reef_sim_now() + reef_sim_stream_delay(), gone, end, end->life);
	if (other) {
		reef_sim_at(reef_sim_now() + reef_sim_stream_delay(), gone, other, other->life);
		end->other = other->other = NULL;
	}
}

/* How much of it goes out now: as much as there is room for, and now and then less. */
static size_t taken_of(struct reef_sim_end *end, size_t size) {
	size_t room = reef_sim_stream_room(end);
	if (size > room)
		size = room;
	return size > 1 && reef_sim_below(REEF_SIM_NETWORK, 16) == 0 ? 1 + (size_t)reef_sim_below(REEF_SIM_NETWORK, size)
																 : size;
}

static ssize_t sim_send(int fd, const void *bytes, size_t size, int flags) {
	(void)flags;
	struct reef_sim_end *end = reef_sim_end_of(fd);
	if (end->error != 0)
		return fail(take_error(end));
	if (end->state != REEF_SIM_OPEN || end->end_sent)
		return fail(end->state == REEF_SIM_CONNECTING ? EAGAIN : EPIPE);
	size_t taken = taken_of(end, size);
	if (taken == 0 && size > 0) {
		end->blocked = true;
		return fail(EAGAIN);
	}
	if (end->other == NULL || reef_sim_fault(reef_sim_network.reset))
		cut(end);
	else
		reef_sim_stream_post(end, REEF_SIM_BYTES, bytes, taken);
	return (ssize_t)taken;
}

static ssize_t sim_sendmsg(int fd, const struct msghdr *message, int flags) {
	size_t size = 0, at = 0;
	for (size_t i = 0; i < message->msg_iovlen; i++)
		size += message->msg_iov[i].iov_len;
	char *bytes = reef_malloc(size + 1);
	for (size_t i = 0; i < message->msg_iovlen; at += message->msg_iov[i++].iov_len)
		memcpy(bytes + at, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
	ssize_t sent = sim_send(fd, bytes, size, flags);
	int error = errno;
	reef_free(bytes);
	errno = error;
	return sent;
}

static int sim_set(int fd, int level, int option, const void *value, socklen_t size) {
	(void)level;
	(void)option;
	(void)value;
	(void)size;
	(void)reef_sim_end_of(fd);
	return 0;
}

static int sim_get(int fd, int level, int option, void *value, socklen_t *size) {
	struct reef_sim_end *end = reef_sim_end_of(fd);
	if (level != SOL_SOCKET || option != SO_ERROR)
		reef_sim_refuse("an option of a socket that is asked for");
	int error = take_error(end);
	memcpy(value, &error, sizeof error);
	*size = sizeof error;
	return 0;
}

static int sim_name(int fd, struct sockaddr *address, socklen_t *size) {
	struct reef_sim_end *end = reef_sim_end_of(fd);
	return reef_sim_address_copy(&end->local, end->local_size, address, size);
}

static int sim_peer(int fd, struct sockaddr *address, socklen_t *size) {
	struct reef_sim_end *end = reef_sim_end_of(fd);
	return reef_sim_address_copy(&end->remote, end->remote_size, address, size);
}

static int sim_ready(int fd, int events) {
	return (int)reef_sim_stream_ready(reef_sim_end_of(fd)) & (events | POLLERR | POLLHUP);
}

static int sim_watch(int fd, enum reef_poll_kind kind, uint32_t id, uint32_t events) {
	if (fd < REEF_SIM_FIRST_FD)
		reef_sim_refuse(
				"a wait for a descriptor of the system (a file, a pipe, a terminal, a library's own connection)");
	struct reef_sim_end *end = reef_sim_end_of(fd);
	end->watched = true;
	end->kind = kind;
	end->id = id;
	end->events = events;
	if (reef_sim_stream_ready(end) != 0)
		reef_sim_stream_poke(end);
	return 0;
}

/* ---- what is done to it ---- */

static bool fits(const struct reef_sim_end *end, const struct reef_sim_link *link) {
	return end->state == REEF_SIM_OPEN && end->accepted && (link->to == 0 || end->here == link->to) &&
		   (link->from == 0 || end->there == link->from) && (link->port == 0 || end->port == link->port);
}

int reef_sim_net_cut(const struct reef_sim_link *link, enum reef_sim_cut how) {
	int n = 0;
	struct reef_sim_end *end;
	for (size_t i = 0; (end = reef_sim_end_at(i)) != NULL; i++) {
		if (!fits(end, link))
			continue;
		n++;
		if (how == REEF_SIM_RESET) {
			cut(end);
		} else if (end->other && !end->end_sent) {
			reef_sim_stream_post(end, REEF_SIM_END, NULL, 0);
			end->end_sent = true;
		}
	}
	return n;
}

static const struct reef_net network = {
		.socket = sim_socket,
		.bind = sim_bind,
		.listen = sim_listen,
		.connect = sim_connect,
		.accept = sim_accept,
		.close = sim_close,
		.recv = sim_recv,
		.send = sim_send,
		.sendmsg = sim_sendmsg,
		.set = sim_set,
		.get = sim_get,
		.name = sim_name,
		.peer = sim_peer,
		.ready = sim_ready,
		.watch = sim_watch,
		.resolve = reef_sim_node,
};

void reef_sim_net_setup(void) {
	reef_net_set(&network);
}
