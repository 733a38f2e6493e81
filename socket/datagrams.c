/* See datagrams.h. */
#include "datagrams.h"
#include "core/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "core/log.h"

struct datagram {
	struct reef_link link;
	struct reef_address address;
	size_t size;
	char bytes[];
};

/* False: the kernel has no room now. Anything else that is wrong with a datagram ends it here, with a log. */
static bool send_datagram(struct reef_slot *slot, const struct reef_address *address, const void *bytes, size_t n) {
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

static struct datagram *first_datagram(const struct reef_slot *slot) {
	return reef_list_entry(reef_list_first(&slot->datagrams), struct datagram, link);
}

static void datagram_delete(struct datagram *datagram) {
	reef_link_remove(&datagram->link);
	reef_free(datagram);
}

void reef_datagrams_flush(struct reef_slot *slot) {
	struct datagram *datagram;
	for (int tries = 0; (datagram = first_datagram(slot)) && tries < 2;) {
		if (!send_datagram(slot, &datagram->address, datagram->bytes, datagram->size)) {
			/* As for streams: the poller may have seen room before it knew that we care. */
			atomic_store(&slot->blocked, REEF_BLOCKED);
			tries++;
			continue;
		}
		slot->datagram_bytes -= datagram->size;
		datagram_delete(datagram);
	}
	if (reef_list_is_empty(&slot->datagrams))
		atomic_store(&slot->blocked, 0);
}

void reef_datagrams_clear(struct reef_slot *slot) {
	struct datagram *datagram;
	while ((datagram = first_datagram(slot)))
		datagram_delete(datagram);
	slot->datagram_bytes = 0;
}

bool reef_datagrams_send(struct reef_slot *slot, const struct reef_address *address, const void *bytes, size_t n) {
	if (reef_list_is_empty(&slot->datagrams) && send_datagram(slot, address, bytes, n))
		return true;
	struct datagram *datagram = reef_try_malloc(sizeof *datagram + n);
	if (datagram == NULL)
		return false;
	*datagram = (struct datagram){.address = *address, .size = n};
	memcpy(datagram->bytes, bytes, n);
	reef_list_push(&slot->datagrams, &datagram->link);
	slot->datagram_bytes += n;
	return true;
}
