/* The C API of sockets, for services written in C (skynet.h).
 *
 * Sockets are positive numbers. What happens to them reaches the service that owns them as messages of PTYPE_SOCKET: a
 * struct skynet_socket_message, with the text of some kinds behind it (up to the message's size, not terminated).
 *
 *     case PTYPE_SOCKET: {
 *         const struct skynet_socket_message *event = msg;
 *         if (event->type == SKYNET_SOCKET_TYPE_DATA) {
 *             use(event->buffer, event->ud);
 *             skynet_free(event->buffer);
 *         }
 *         return 0;
 *     }
 *
 * All functions are for the service's own slice: its init and its callback. `port` -1: the address says it, or is the path
 * of a Unix socket; see docs/sockets.md. What is refused at once gives -1, with the reason in the log.
 */
#ifndef SKYNET_SOCKET_H
#define SKYNET_SOCKET_H

#include "core/skynet.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SKYNET_SOCKET_TYPE_DATA 1    /* `ud` bytes at `buffer`, which belong to the service (skynet_free) */
#define SKYNET_SOCKET_TYPE_CONNECT 2 /* connected, or started; a listener: `ud` is its port. Text: the address */
#define SKYNET_SOCKET_TYPE_CLOSE 3   /* nothing more will come */
#define SKYNET_SOCKET_TYPE_ACCEPT 4  /* `ud`: the new socket, to be started. Text: the peer's address */
#define SKYNET_SOCKET_TYPE_ERROR 5   /* the socket is gone. Text: why */
#define SKYNET_SOCKET_TYPE_UDP 6     /* as DATA, from skynet_socket_udp_address */
#define SKYNET_SOCKET_TYPE_WARNING 7 /* `ud` KiB wait to be sent; 0: all have been */

struct skynet_socket_message {
	int type;
	int id;
	int ud;
	char *buffer; /* DATA and UDP only */
};

/* Numbers, or -1. A listener is told of with CONNECT, and accepts nothing before it is started. */
SKYNET_API int skynet_socket_listen(struct skynet_context *context, const char *host, int port, int backlog);
/* CONNECT or ERROR follows. */
SKYNET_API int skynet_socket_connect(struct skynet_context *context, const char *host, int port);
/* A descriptor of the process, which is never closed here. */
SKYNET_API int skynet_socket_bind(struct skynet_context *context, int fd);

/* Begins (or goes on) to accept or read, for this service from now on: CONNECT or ERROR follows. */
SKYNET_API void skynet_socket_start(struct skynet_context *context, int id);
/* Reads nothing more until it is started. */
SKYNET_API void skynet_socket_pause(struct skynet_context *context, int id);
/* Closes when all has been sent; CLOSE follows. `shutdown` sends nothing more. */
SKYNET_API void skynet_socket_close(struct skynet_context *context, int id);
SKYNET_API void skynet_socket_shutdown(struct skynet_context *context, int id);
SKYNET_API void skynet_socket_nodelay(struct skynet_context *context, int id);

/* What is sent. */
#define SOCKET_BUFFER_MEMORY 0     /* a block of skynet_malloc, which is taken in every case */
#define SOCKET_BUFFER_OBJECT 1     /* refused: there are no such objects here */
#define SOCKET_BUFFER_RAWPOINTER 2 /* is copied */

struct socket_sendbuffer {
	int id;
	int type;
	const void *buffer;
	size_t sz;
};

/* 0: it will be sent. -1: it will not, the socket is unknown or closing. Low priority leaves while nothing else waits. */
SKYNET_API int skynet_socket_sendbuffer(struct skynet_context *context, struct socket_sendbuffer *buffer);
SKYNET_API int skynet_socket_sendbuffer_lowpriority(struct skynet_context *context, struct socket_sendbuffer *buffer);

/* ---- UDP ---- */

/* A socket bound to that address, or, with `host` NULL, to none. */
SKYNET_API int skynet_socket_udp(struct skynet_context *context, const char *host, int port);
SKYNET_API int skynet_socket_udp_listen(struct skynet_context *context, const char *host, int port);
/* A socket that sends there. */
SKYNET_API int skynet_socket_udp_dial(struct skynet_context *context, const char *host, int port);
/* Where skynet_socket_sendbuffer sends to: 0, or -1. */
SKYNET_API int skynet_socket_udp_connect(struct skynet_context *context, int id, const char *host, int port);
/* `address` as skynet_socket_udp_address gives it. 0, or -1. */
SKYNET_API int skynet_socket_udp_sendbuffer(struct skynet_context *context, const char *address,
											struct socket_sendbuffer *buffer);
/* Who sent that message (UDP; NULL for others): as many bytes, which are part of the message. */
SKYNET_API const char *skynet_socket_udp_address(struct skynet_context *context, struct skynet_socket_message *message,
												 int *size);

/* ---- all sockets of the process ---- */

#define SOCKET_INFO_UNKNOWN 0
#define SOCKET_INFO_LISTEN 1
#define SOCKET_INFO_TCP 2
#define SOCKET_INFO_UDP 3
#define SOCKET_INFO_BIND 4
#define SOCKET_INFO_CLOSING 5

struct socket_info {
	int id;
	int type;
	uint64_t opaque;       /* the owner's handle */
	uint64_t read, write;  /* bytes; of a listener: connections */
	uint64_t rtime, wtime; /* skynet_now of the last ones */
	int64_t wbuffer;       /* bytes that wait to be sent */
	uint8_t reading, writing;
	char name[128];
	struct socket_info *next;
};

/* A list for socket_info_release; NULL if there are none. */
SKYNET_API struct socket_info *skynet_socket_info(void);
SKYNET_API void socket_info_release(struct socket_info *list);

/* ---- shorter ---- */

/* `bytes`: a block of skynet_malloc, which is taken. */
static inline int skynet_socket_send(struct skynet_context *context, int id, void *bytes, int size) {
	struct socket_sendbuffer buffer = {id, SOCKET_BUFFER_MEMORY, bytes, (size_t)size};
	return skynet_socket_sendbuffer(context, &buffer);
}
static inline int skynet_socket_send_lowpriority(struct skynet_context *context, int id, void *bytes, int size) {
	struct socket_sendbuffer buffer = {id, SOCKET_BUFFER_MEMORY, bytes, (size_t)size};
	return skynet_socket_sendbuffer_lowpriority(context, &buffer);
}
static inline int skynet_socket_udp_send(struct skynet_context *context, int id, const char *address, const void *bytes,
										 int size) {
	struct socket_sendbuffer buffer = {id, SOCKET_BUFFER_RAWPOINTER, bytes, (size_t)size};
	return skynet_socket_udp_sendbuffer(context, address, &buffer);
}

#ifdef __cplusplus
}
#endif

#endif
