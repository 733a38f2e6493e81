/* See udp.h. */
#include "udp.h"
#include "core/clock.h"
#include "core/slice.h"
#include "real.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/net.h"
#include "core/service.h"
#include "output.h"
#include "slot.h"
#include "socket/names/endpoint.h"
#include "socket/names/resolver.h"
#include "teardown.h"
#include "tell.h"

#define DATAGRAM_MAX 65535
#define READS 64 /* a slice's share */

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
				reef_teardown_broken(slot, errno);
			return true;
		}
		slot->read_bytes += (uint64_t)n;
		slot->read_ns = reef_coarse_ns();
		const struct reef_sink *sink = slot->sink;
		void *ud = slot->ud;
		reef_slot_unlock(slot);
		struct reef_udp_address address;
		if (sink && sink->datagram && reef_address_to_udp(&from, &address))
			reef_tell_datagram(sink, ud, (int)id, buffer, (size_t)n, &address);
		if (!reef_slot_relock(slot, owner))
			return false;
	}
	return true;
}

/* ---- sending ---- */

static bool send_to(struct reef_slot *slot, const uint8_t *udp_address, size_t size, const void *bytes, size_t n) {
	struct reef_address address;
	return reef_address_from_udp(&address, udp_address, size) && address.any.sa_family == slot->family &&
		   reef_output_datagram(slot, &address, bytes, n);
}

bool reef_real_udp_send(int id, const uint8_t *address, size_t address_size, const void *bytes, size_t n) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool ok = slot->kind == REEF_KIND_UDP && slot->state == REEF_SLOT_OPEN &&
			  send_to(slot, address, address_size, bytes, n);
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
static const char *udp_find_address(const char *host, int port, int family, struct reef_address *address) {
	struct reef_endpoint endpoint;
	const char *error = reef_endpoint_parse(&endpoint, host, port);
	if (error)
		return error;
	if (endpoint.literal) {
		*address = endpoint.address;
		if (address->any.sa_family == AF_UNIX || (family != 0 && address->any.sa_family != family))
			return "address of another family";
		return NULL;
	}
	struct reef_answer found;
	if (!reef_resolver_now(endpoint.host, endpoint.port, &found, &error)) {
		reef_answer_fini(&found);
		return error;
	}
	error = "no address of that family";
	for (size_t i = 0; i < found.count && error; i++) {
		if (family == 0 || found.items[i].any.sa_family == family) {
			*address = found.items[i];
			error = NULL;
		}
	}
	reef_answer_fini(&found);
	return error;
}

enum purpose { BIND, CONNECT, NEITHER };

static int new_socket(const struct reef_address *address, enum purpose purpose, const struct reef_sink *sink, void *ud,
					  const char **error) {
	int family = address->any.sa_family;
	int fd = reef_net->socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		*error = strerrordesc_np(errno);
		return 0;
	}
	int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	struct reef_slot *slot = NULL;
	if ((purpose == BIND && bind(fd, &address->any, address->size) != 0) ||
		(purpose == CONNECT && connect(fd, &address->any, address->size) != 0))
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
		reef_teardown(slot);
		id = 0;
	}
	reef_slot_unlock(slot);
	return id;
}

int reef_real_udp_open(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_address address = {.size = sizeof address.v4};
	if (host == NULL) {
		address.v4.sin_family = AF_INET;
		return new_socket(&address, NEITHER, sink, ud, error);
	}
	*error = udp_find_address(host, port, 0, &address);
	return *error ? 0 : new_socket(&address, BIND, sink, ud, error);
}

int reef_real_udp_dial(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_address address;
	*error = udp_find_address(host, port, 0, &address);
	return *error ? 0 : new_socket(&address, CONNECT, sink, ud, error);
}

const char *reef_real_udp_connect(int id, const char *host, int port) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL || slot->kind != REEF_KIND_UDP) {
		if (slot)
			reef_slot_unlock(slot);
		return "invalid socket";
	}
	int family = slot->family;
	reef_slot_unlock(slot);
	struct reef_address address;
	const char *error = udp_find_address(host, port, family, &address);
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
