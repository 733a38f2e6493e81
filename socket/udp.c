/* Datagrams. Each is sent at once; only what the kernel does not take waits, in order. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/service.h"
#include "core/slice.h"
#include "socket/address.h"
#include "socket/resolver.h"
#include "socket/slot.h"

#define DATAGRAM_MAX 65535
#define READS 64 /* a slice's share */

struct reef_datagram {
	struct reef_datagram *next;
	struct reef_address address; /* size 0: the default destination */
	size_t size;
	char bytes[];
};

/* ---- receiving ---- */

bool reef_udp_read(struct reef_slot *slot, uint32_t id, uint32_t owner) {
	for (int i = 0; slot->state == REEF_SLOT_OPEN && atomic_load(&slot->reading); i++) {
		if (i == READS) {
			reef_slot_signal(slot, EPOLLIN);
			return true;
		}
		struct reef_address from = {.size = sizeof from.local};
		char *buffer = reef_slice_scratch();
		ssize_t n = recvfrom(slot->fd, buffer, DATAGRAM_MAX, MSG_DONTWAIT, &from.any, &from.size);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				reef_slot_break(slot, errno);
			return true;
		}
		slot->read_bytes += (uint64_t)n;
		slot->read_ns = reef_coarse_ns();
		const struct reef_sink *sink = slot->sink;
		void *ud = slot->ud;
		reef_slot_unlock(slot);
		struct reef_udp_address address;
		if (sink && sink->datagram && reef_address_to_udp(&from, &address))
			sink->datagram(ud, (int)id, buffer, (size_t)n, &address);
		if (!reef_slot_relock(slot, owner))
			return false;
	}
	return true;
}

/* ---- sending ---- */

/* False: the kernel has no room now. Anything else that is wrong with a datagram ends it here, with a log. */
static bool send_one(struct reef_slot *slot, const struct reef_address *address, const void *bytes, size_t n) {
	const struct sockaddr *to = address->size > 0 ? &address->any : NULL;
	ssize_t sent = sendto(slot->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL, to, address->size);
	if (sent < 0 && errno == EINTR)
		sent = sendto(slot->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL, to, address->size);
	if (sent < 0 && errno == EAGAIN)
		return false;
	if (sent < 0) {
		reef_log(atomic_load(&slot->owner), "socket: udp sendto error on %u: %s", atomic_load(&slot->id),
				 strerrordesc_np(errno));
	} else {
		slot->written_bytes += (uint64_t)sent;
		slot->write_ns = reef_coarse_ns();
	}
	return true;
}

void reef_udp_flush(struct reef_slot *slot) {
	for (int tries = 0; slot->datagrams && tries < 2;) {
		struct reef_datagram *datagram = slot->datagrams;
		if (!send_one(slot, &datagram->address, datagram->bytes, datagram->size)) {
			/* As for streams: the poller may have seen room before it knew that we care. */
			atomic_store(&slot->blocked, REEF_BLOCKED);
			tries++;
			continue;
		}
		slot->datagram_bytes -= datagram->size;
		slot->datagrams = datagram->next;
		if (slot->datagrams == NULL)
			slot->datagrams_tail = &slot->datagrams;
		reef_free(datagram);
	}
	if (slot->datagrams == NULL)
		atomic_store(&slot->blocked, 0);
}

void reef_udp_clear(struct reef_slot *slot) {
	while (slot->datagrams) {
		struct reef_datagram *datagram = slot->datagrams;
		slot->datagrams = datagram->next;
		reef_free(datagram);
	}
	slot->datagrams_tail = &slot->datagrams;
	slot->datagram_bytes = 0;
}

bool reef_udp_queue(struct reef_slot *slot, const void *address_bytes, uint32_t address_size, const void *bytes,
					size_t n) {
	struct reef_address address = {.size = 0};
	if (address_size > 0) {
		if (!reef_address_from_udp(&address, address_bytes, address_size) || address.any.sa_family != slot->family)
			return false;
	}
	if (slot->datagram_bytes + n > reef_write_limit)
		return false;
	if (slot->datagrams == NULL && send_one(slot, &address, bytes, n))
		return true;
	struct reef_datagram *datagram = reef_try_malloc(sizeof *datagram + n);
	if (datagram == NULL)
		return false;
	*datagram = (struct reef_datagram){.address = address, .size = n};
	memcpy(datagram->bytes, bytes, n);
	*slot->datagrams_tail = datagram;
	slot->datagrams_tail = &datagram->next;
	slot->datagram_bytes += n;
	reef_slot_flush(slot);
	return true;
}

bool reef_udp_send(int id, const uint8_t *address, size_t address_size, const void *bytes, size_t n) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool ok = slot->kind == REEF_KIND_UDP && slot->state == REEF_SLOT_OPEN && address_size > 0 && address_size <= 19 &&
			  reef_udp_queue(slot, address, (uint32_t)address_size, bytes, n);
	reef_slot_unlock(slot);
	return ok;
}

bool reef_udp_address_text(const uint8_t *bytes, size_t size, char *ip, int *port) {
	struct reef_address address;
	if (!reef_address_from_udp(&address, bytes, size))
		return false;
	reef_address_split(&address, ip, port);
	return true;
}

/* ---- making ---- */

/* NULL, or what is wrong; names are resolved here and now. */
static const char *find_address(const char *host, int port, int family, struct reef_address *address) {
	struct reef_target target;
	const char *error = reef_target_parse(&target, host, port);
	if (error)
		return error;
	if (target.literal) {
		*address = target.address;
		if (address->any.sa_family == AF_UNIX || (family != 0 && address->any.sa_family != family))
			return "address of another family";
		return NULL;
	}
	struct reef_answer found;
	if (!reef_resolver_now(target.host, target.port, &found, &error)) {
		reef_free(found.list);
		return error;
	}
	error = "no address of that family";
	for (size_t i = 0; i < found.n && error; i++) {
		if (family == 0 || found.list[i].any.sa_family == family) {
			*address = found.list[i];
			error = NULL;
		}
	}
	reef_free(found.list);
	return error;
}

enum what { BIND, CONNECT, NEITHER };

static int make(const struct reef_address *address, enum what what, const struct reef_sink *sink, void *ud,
				const char **error) {
	int family = address->any.sa_family;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		*error = strerrordesc_np(errno);
		return 0;
	}
	int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	struct reef_slot *slot = NULL;
	if ((what == BIND && bind(fd, &address->any, address->size) != 0) ||
		(what == CONNECT && connect(fd, &address->any, address->size) != 0))
		*error = strerrordesc_np(errno);
	else if ((slot = reef_slot_new(REEF_KIND_UDP, reef_service_handle(reef_slice_service()))) == NULL)
		*error = REEF_SLOT_LIMIT_TEXT;
	if (slot == NULL) {
		close(fd);
		return 0;
	}
	slot->fd = fd;
	slot->family = family;
	slot->sink = sink;
	slot->ud = ud;
	atomic_store(&slot->reading, true);
	int id = (int)atomic_load(&slot->id);
	int failed = reef_slot_poll(slot);
	if (failed != 0) {
		*error = strerrordesc_np(failed);
		reef_slot_kill(slot);
		id = 0;
	}
	reef_slot_unlock(slot);
	return id;
}

int reef_udp_open(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_address address = {.size = sizeof address.v4};
	if (host == NULL) {
		address.v4.sin_family = AF_INET;
		return make(&address, NEITHER, sink, ud, error);
	}
	*error = find_address(host, port, 0, &address);
	return *error ? 0 : make(&address, BIND, sink, ud, error);
}

int reef_udp_dial(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_address address;
	*error = find_address(host, port, 0, &address);
	return *error ? 0 : make(&address, CONNECT, sink, ud, error);
}

const char *reef_udp_connect(int id, const char *host, int port) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL || slot->kind != REEF_KIND_UDP) {
		if (slot)
			reef_slot_unlock(slot);
		return "invalid socket";
	}
	int family = slot->family;
	reef_slot_unlock(slot);
	struct reef_address address;
	const char *error = find_address(host, port, family, &address);
	if (error)
		return error;
	slot = reef_slot_lock(id);
	if (slot == NULL)
		return "socket closed";
	if (slot->state != REEF_SLOT_OPEN)
		error = "socket closed";
	else if (connect(slot->fd, &address.any, address.size) != 0)
		error = strerrordesc_np(errno);
	reef_slot_unlock(slot);
	return error;
}
