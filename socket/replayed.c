/* See replayed.h. */
#include "replayed.h"

#include <string.h>

#include "core/alloc.h"
#include "core/ptrmap.h"
#include "core/seam.h"
#include "tell.h"

struct listener {
	const struct reef_sink *sink;
	void *ud;
};

static struct reef_ptrmap listeners; /* by id */

static const void *key_of(int id) {
	return (const void *)(intptr_t)id;
}

static struct listener *find(int id) {
	return id > 0 ? reef_ptrmap_get(&listeners, key_of(id)) : NULL;
}

void reef_socket_replayed_listen(int id, const struct reef_sink *sink, void *ud) {
	struct listener *listener = find(id);
	if (id <= 0)
		return;
	if (listener == NULL) {
		listener = reef_malloc(sizeof *listener);
		reef_ptrmap_put(&listeners, key_of(id), listener);
	}
	*listener = (struct listener){sink, ud};
}

void reef_socket_replayed_set_ud(int id, const struct reef_sink *sink, void *ud) {
	struct listener *listener = find(id);
	if (listener && listener->sink == sink)
		listener->ud = ud;
}

void reef_socket_replayed_forget(int id) {
	if (id > 0)
		reef_free(reef_ptrmap_remove(&listeners, key_of(id)));
}

/* Who asks for room gets his bytes there, in as many pieces as that takes. */
static void play_data(int id, const char *bytes, size_t n) {
	const struct listener *to;
	while (n > 0 && (to = find(id)) != NULL && to->sink && to->sink->data) {
		size_t room = n;
		char *place = to->sink->room ? to->sink->room(to->ud, id, &room) : NULL;
		size_t part = place && room < n ? room : n;
		to->sink->data(to->ud, id, place ? memcpy(place, bytes, part) : bytes, part);
		bytes += part;
		n -= part;
	}
}

/* A datagram comes in two events. */
static void play_datagram(const struct listener *to, int id, const struct reef_seam_about *about) {
	static struct reef_udp_address from;
	if (about->b < 0 && about->size == sizeof from)
		memcpy(&from, about->bytes, sizeof from);
	else if (about->b == 0 && to->sink->datagram && from.size <= sizeof from.bytes)
		to->sink->datagram(to->ud, id, about->bytes, about->size, &from);
}

/* Whatever a record says is told only where there is an ear for it. */
static void play(unsigned event, const struct reef_seam_about *about) {
	int id = (int)about->a;
	const struct listener *found = find(id);
	char text[REEF_ADDRESS_SIZE + 256];
	size_t size = about->size < sizeof text ? about->size : sizeof text - 1;
	if (found == NULL || found->sink == NULL)
		return;
	struct listener to = *found;
	const struct reef_sink *sink = to.sink;
	if (size > 0)
		memcpy(text, about->bytes, size);
	text[size] = '\0';
	switch (event) {
	case REEF_SOCKET_EVENT_OPENED:
		if (sink->opened)
			sink->opened(to.ud, id, text);
		break;
	case REEF_SOCKET_EVENT_DATA:
		play_data(id, about->bytes, about->size);
		break;
	case REEF_SOCKET_EVENT_ACCEPTED:
		if (sink->accepted)
			sink->accepted(to.ud, id, (int)about->b, text);
		break;
	case REEF_SOCKET_EVENT_DATAGRAM:
		play_datagram(&to, id, about);
		break;
	case REEF_SOCKET_EVENT_CLOSED:
		if (sink->closed)
			sink->closed(to.ud, id);
		break;
	case REEF_SOCKET_EVENT_FAILED:
		reef_socket_replayed_forget(id);
		if (sink->failed)
			sink->failed(to.ud, id, (int)about->b, text);
		break;
	case REEF_SOCKET_EVENT_WARNING:
		if (sink->warning)
			sink->warning(to.ud, id, (size_t)about->b);
		break;
	default:
		break;
	}
}

void reef_socket_replayed_setup(void) {
	reef_seam_set_player(REEF_SEAM_EVENT_SOCKETS, play);
}
