/* The C API of sockets: see skynet_socket.h. Events become messages in raw.c, whose layout is the API's.
 *
 * The context is that of the service whose slice it is, which owns what is made. */
#include <stddef.h>
#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/service.h"
#include "core/slice.h"
#include "socket/info.h"
#include "socket/listen.h"
#include "socket/lua/raw.h"
#include "socket/names/address.h"
#include "socket/socket.h"
#include "socket/udp.h"

#define SKYNET_API __attribute__((visibility("default"), used))
#include "socket/lua/skynet_socket.h"

_Static_assert(sizeof(struct skynet_socket_message) == sizeof(struct reef_socket_message) &&
					   offsetof(struct skynet_socket_message, buffer) == offsetof(struct reef_socket_message, buffer),
			   "the message of the API");
_Static_assert(sizeof(((struct socket_info *)NULL)->name) >= REEF_ADDRESS_SIZE, "a name fits");

enum { UDP_SIZE_V4 = 7, UDP_SIZE_V6 = 19 };

/* What the API returns for an id, or 0 with an error. */
static int id_or_refused(int id, const char *what, const char *host, int port, const char *error) {
	if (id > 0)
		return id;
	reef_log(reef_service_handle(reef_slice_service()), "error: socket: %s %s:%d: %s", what, host ? host : "", port,
			 error);
	return -1;
}

int skynet_socket_listen(struct skynet_context *context, const char *host, int port, int backlog) {
	(void)context;
	const char *error = "refused";
	char ip[REEF_ADDRESS_SIZE];
	int real_port = 0;
	int id = reef_listen_open(host, port, backlog, ip, &real_port, &error);
	if (id > 0)
		reef_raw_send(REEF_EVENT_CONNECT, id, real_port, ip);
	return id_or_refused(id, "listen", host, port, error);
}

int skynet_socket_connect(struct skynet_context *context, const char *host, int port) {
	(void)context;
	const char *error = "refused";
	int id = reef_socket_open(host, port, 0, &reef_raw_sink, NULL, &error);
	return id_or_refused(id, "connect", host, port, error);
}

int skynet_socket_bind(struct skynet_context *context, int fd) {
	(void)context;
	const char *error = "refused";
	int id = reef_socket_bind_fd(fd, &reef_raw_sink, NULL, &error);
	return id_or_refused(id, "bind", "descriptor", fd, error);
}

void skynet_socket_start(struct skynet_context *context, int id) {
	(void)context;
	const char *error = reef_socket_start(id, &reef_raw_sink, NULL, true);
	if (error)
		reef_raw_send(REEF_EVENT_ERROR, id, 0, error);
}

void skynet_socket_pause(struct skynet_context *context, int id) {
	(void)context;
	reef_socket_pause(id);
}

void skynet_socket_close(struct skynet_context *context, int id) {
	(void)context;
	reef_socket_close(id);
}

void skynet_socket_shutdown(struct skynet_context *context, int id) {
	(void)context;
	reef_socket_shutdown(id);
}

void skynet_socket_nodelay(struct skynet_context *context, int id) {
	(void)context;
	reef_socket_nodelay(id, true);
}

/* ---- sending ---- */

static bool is_sendable(const struct socket_sendbuffer *buffer) {
	if (buffer->type == SOCKET_BUFFER_MEMORY || buffer->type == SOCKET_BUFFER_RAWPOINTER)
		return true;
	reef_log(reef_service_handle(reef_slice_service()), "error: socket: %d: buffers of type %d cannot be sent",
			 buffer->id, buffer->type);
	return false;
}

static int send_buffer(const struct socket_sendbuffer *buffer, enum reef_priority priority) {
	if (!is_sendable(buffer))
		return -1;
	bool sent = buffer->type == SOCKET_BUFFER_MEMORY
						? reef_socket_write_take(buffer->id, (void *)(uintptr_t)buffer->buffer, buffer->sz, priority)
						: reef_socket_write(buffer->id, buffer->buffer, buffer->sz, priority);
	return sent ? 0 : -1;
}

int skynet_socket_sendbuffer(struct skynet_context *context, struct socket_sendbuffer *buffer) {
	(void)context;
	return send_buffer(buffer, REEF_NORMAL);
}

int skynet_socket_sendbuffer_lowpriority(struct skynet_context *context, struct socket_sendbuffer *buffer) {
	(void)context;
	return send_buffer(buffer, REEF_LOW);
}

/* ---- UDP ---- */

int skynet_socket_udp(struct skynet_context *context, const char *host, int port) {
	(void)context;
	const char *error = "refused";
	return id_or_refused(reef_udp_open(host, port, &reef_raw_sink, NULL, &error), "udp", host, port, error);
}

int skynet_socket_udp_listen(struct skynet_context *context, const char *host, int port) {
	return skynet_socket_udp(context, host, port);
}

int skynet_socket_udp_dial(struct skynet_context *context, const char *host, int port) {
	(void)context;
	const char *error = "refused";
	return id_or_refused(reef_udp_dial(host, port, &reef_raw_sink, NULL, &error), "udp dial", host, port, error);
}

int skynet_socket_udp_connect(struct skynet_context *context, int id, const char *host, int port) {
	(void)context;
	const char *error = reef_udp_connect(id, host, port);
	return error ? id_or_refused(0, "udp connect", host, port, error) : 0;
}

/* The family, which the first byte tells, has one size. */
static size_t udp_address_size(const uint8_t *address) {
	char ip[REEF_ADDRESS_SIZE];
	int port;
	return reef_udp_address_text(address, UDP_SIZE_V4, ip, &port) ? UDP_SIZE_V4 : UDP_SIZE_V6;
}

int skynet_socket_udp_sendbuffer(struct skynet_context *context, const char *address,
								 struct socket_sendbuffer *buffer) {
	(void)context;
	const uint8_t *to = (const uint8_t *)address;
	bool sent = is_sendable(buffer) && reef_udp_send(buffer->id, to, udp_address_size(to), buffer->buffer, buffer->sz);
	if (buffer->type == SOCKET_BUFFER_MEMORY)
		reef_free((void *)(uintptr_t)buffer->buffer);
	return sent ? 0 : -1;
}

const char *skynet_socket_udp_address(struct skynet_context *context, struct skynet_socket_message *message,
									  int *size) {
	(void)context;
	if (message->type != SKYNET_SOCKET_TYPE_UDP)
		return NULL;
	const char *address = (const char *)(message + 1);
	*size = (int)udp_address_size((const uint8_t *)address);
	return address;
}

/* ---- statistics ---- */

static int info_type(enum reef_socket_type type) {
	switch (type) {
	case REEF_SOCKET_LISTEN:
		return SOCKET_INFO_LISTEN;
	case REEF_SOCKET_TCP:
		return SOCKET_INFO_TCP;
	case REEF_SOCKET_UDP:
		return SOCKET_INFO_UDP;
	case REEF_SOCKET_BIND:
		return SOCKET_INFO_BIND;
	case REEF_SOCKET_CLOSING:
		return SOCKET_INFO_CLOSING;
	default:
		return SOCKET_INFO_UNKNOWN;
	}
}

struct socket_info *skynet_socket_info(void) {
	struct socket_info *list = NULL;
	struct reef_socket_info found;
	for (int id = reef_info_next(0); id != 0; id = reef_info_next(id)) {
		if (!reef_info_get(id, &found))
			continue;
		struct socket_info *info = reef_malloc(sizeof *info);
		*info = (struct socket_info){.id = id,
									 .type = info_type(found.type),
									 .opaque = found.owner,
									 .read = found.read,
									 .write = found.written,
									 .rtime = found.rtime,
									 .wtime = found.wtime,
									 .wbuffer = (int64_t)found.unsent,
									 .reading = found.reading,
									 .writing = found.writing,
									 .next = list};
		memcpy(info->name, found.name, sizeof found.name);
		list = info;
	}
	return list;
}

void socket_info_release(struct socket_info *list) {
	while (list) {
		struct socket_info *next = list->next;
		reef_free(list);
		list = next;
	}
}
