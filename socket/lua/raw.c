/* See raw.h. A sink that makes a message of each call and has it handled in the same slice. Its `ud` is the socket's tap. */
#include "raw.h"
#include "core/slice.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/send.h"
#include "core/service.h"
#include "socket/info.h"
#include "socket/names/address.h"

static struct reef_message *event_message(enum reef_socket_event type, int id, int ud, const void *text, size_t n) {
	struct reef_message *m = reef_message_new(sizeof(struct reef_socket_message) + n);
	struct reef_socket_message event = {.type = (int)type, .id = id, .ud = ud};
	memcpy(m->data, &event, sizeof event);
	if (n > 0)
		memcpy((char *)m->data + sizeof event, text, n);
	m->source = 0;
	m->session = 0;
	m->type = REEF_PTYPE_SOCKET;
	return m;
}

static void deliver_now(struct reef_message *m) {
	reef_service_deliver(reef_slice_service(), m, m);
}

static void tell_text(enum reef_socket_event type, int id, int ud, const char *text) {
	deliver_now(event_message(type, id, ud, text, strlen(text)));
}

static void tell_bytes(enum reef_socket_event type, int id, const char *bytes, size_t n, const void *text,
					   size_t text_size) {
	void *buffer = reef_try_malloc(n ? n : 1);
	if (buffer == NULL) {
		reef_log(reef_service_handle(reef_slice_service()), "error: socket: no memory for %zu bytes of input on %d", n,
				 id);
		reef_socket_shutdown(id);
		return;
	}
	memcpy(buffer, bytes, n);
	struct reef_service *service = reef_slice_service();
	struct reef_message *m = event_message(type, id, (int)n, text, text_size);
	((struct reef_socket_message *)m->data)->buffer = buffer;
	if (!reef_service_is_logged(service)) {
		reef_service_deliver(service, m, m);
		return;
	}
	/* Of an address nobody would learn what has come. */
	struct reef_message *shown = event_message(type, id, (int)n, bytes, n);
	reef_service_deliver(service, m, shown);
	reef_message_free(shown);
}

static void raw_opened(void *ud, int id, const char *peer) {
	(void)ud;
	struct reef_socket_info info;
	int port = 0;
	if (reef_info_get(id, &info) && info.type == REEF_SOCKET_LISTEN) {
		char *colon = strrchr(info.name, ':');
		if (colon && info.name[0] != '/') {
			port = atoi(colon + 1);
			*colon = '\0';
		}
		tell_text(REEF_EVENT_CONNECT, id, port, info.name);
		return;
	}
	tell_text(REEF_EVENT_CONNECT, id, 0, peer);
}

static void raw_data(void *ud, int id, const char *bytes, size_t n) {
	struct reef_raw_tap *tap = ud;
	struct reef_service *service = reef_slice_service();
	if (tap && !reef_service_is_logged(service) && tap->data(tap, id, bytes, n))
		reef_service_note_message(service);
	else
		tell_bytes(REEF_EVENT_DATA, id, bytes, n, NULL, 0);
}

static void raw_datagram(void *ud, int id, const char *bytes, size_t n, const struct reef_udp_address *from) {
	(void)ud;
	tell_bytes(REEF_EVENT_UDP, id, bytes, n, from->bytes, from->size);
}

static void raw_accepted(void *ud, int id, int newid, const char *peer) {
	(void)ud;
	tell_text(REEF_EVENT_ACCEPT, id, newid, peer);
}

static void raw_closed(void *ud, int id) {
	(void)ud;
	tell_text(REEF_EVENT_CLOSE, id, 0, "");
}

static void raw_failed(void *ud, int id, int error, const char *text) {
	(void)ud;
	(void)error;
	tell_text(REEF_EVENT_ERROR, id, 0, text);
}

static void raw_warning(void *ud, int id, size_t kb) {
	(void)ud;
	tell_text(REEF_EVENT_WARNING, id, (int)kb, "");
}

const struct reef_sink reef_raw_sink = {
		.opened = raw_opened,
		.data = raw_data,
		.accepted = raw_accepted,
		.datagram = raw_datagram,
		.closed = raw_closed,
		.failed = raw_failed,
		.warning = raw_warning,
};

void reef_raw_set_tap(int id, struct reef_raw_tap *tap) {
	reef_socket_set_ud(id, &reef_raw_sink, tap);
}

void reef_raw_send(enum reef_socket_event type, int id, int ud, const char *text) {
	reef_send(reef_service_handle(reef_slice_service()), event_message(type, id, ud, text, strlen(text)));
}
