/* Sockets: bytes in and out of the process, for services.
 *
 * A socket is a positive id, never soon reused, owned by one service at a time. The owner reads: readiness reaches it
 * as an event, and in its slice the bytes go to the socket's *sink*, a table of C callbacks. Any service may write:
 * what is written within a slice is gathered and leaves with one system call at the slice's end; what the kernel does
 * not take waits in two queues and is flushed by whichever thread polls.
 *
 * Unless a function says otherwise: "owner" functions are for the owner's own slice, all others for any thread inside
 * the engine (epoch.h). Unknown ids are harmless: they answer false or do nothing. A sink is never called from within
 * one of these functions, only from an event of its owner.
 *
 * Statistics are in info.h. TLS (tls/) sits between descriptor and sink: sinks and writers do not notice.
 */
#ifndef REEF_SOCKET_H
#define REEF_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_payload; /* core/message.h */
struct reef_tls_info;
struct reef_tls_target;
struct reef_udp_address; /* names/address.h */

/* What the owner hears about a socket. `ud` is what came with the sink. Unset members: not interested (bytes are
 * thrown away, an accepted connection is closed). Callbacks may call anything here, also close or abandon `id`: then no
 * further callback follows. `bytes` and texts are valid during the callback only, and only until it runs Lua or calls
 * anything else that might use reef_slice_scratch(): consume them first. */
struct reef_sink {
	/* The connect is done; `peer` is "ip:port", or the path of a Unix socket. Also once after reef_socket_start if that
	 * was asked for. */
	void (*opened)(void *ud, int id, const char *peer);
	/* n > 0 bytes have come. */
	void (*data)(void *ud, int id, const char *bytes, size_t n);
	/* Optional: where to read to, `*n` bytes of room (on entry: a sensible minimum). `data` gets that pointer then, at
	 * once or never. Without it bytes arrive in the worker's scratch buffer. */
	char *(*room)(void *ud, int id, size_t *n);
	/* A listener has a new connection; it is owned by the listener's owner, and waits, unread, for reef_socket_start. */
	void (*accepted)(void *ud, int id, int newid, const char *peer);
	/* A UDP socket has received n >= 0 bytes. */
	void (*datagram)(void *ud, int id, const char *bytes, size_t n, const struct reef_udp_address *from);
	/* No more bytes will come: the peer has sent FIN (writes still work until it resets), or somebody has closed the
	 * socket. Comes at most once, and not together with `failed`. The id stays valid after a FIN until closed. */
	void (*closed)(void *ud, int id);
	/* The connect failed, or the connection broke. The id is invalid from now on. `error` is an errno value, or 0 when
	 * only the text says it (name resolution). */
	void (*failed)(void *ud, int id, int error, const char *text);
	/* Unsent output has passed 1 MiB, then each doubling (`kb` KiB wait), or has all been sent after that (0). */
	void (*warning)(void *ud, int id, size_t kb);
};

/* ---- making sockets: owner functions; the calling service owns the result ----
 *
 * They return an id > 0, or 0 with a text at *error (static, or valid until the thread's next call here). `host` and
 * `port` are an endpoint (names/endpoint.h). Listeners are in listen.h, UDP is in udp.h. */

/* Starts a connect. Of a name all addresses are tried, the next one beside those that take long (RFC 8305). `opened` or
 * `failed` follows, in any case by `deadline_ns` (reef_now_ns; 0: the default of 30 s, config `socket_connect_timeout` in cs). */
int reef_socket_open(const char *host, int port, uint64_t deadline_ns, const struct reef_sink *sink, void *ud,
					 const char **error);

/* Wraps a descriptor of the process: read and written here, never closed here. */
int reef_socket_bind_fd(int fd, const struct reef_sink *sink, void *ud, const char **error);

/* Takes ownership of a listener, of an accepted connection or of an abandoned socket, and begins to accept or read.
 * With `tell`, `opened` follows. NULL, or why not: "invalid socket", "socket closed". Any service's slice. */
const char *reef_socket_start(int id, const struct reef_sink *sink, void *ud, bool tell);

/* ---- reading: owner functions ---- */

/* The sink is not called any more; nothing is read until some service starts the socket. */
void reef_socket_abandon(int id);
/* Another `ud` for a sink that was given with reef_socket_start. No effect unless the socket belongs to the calling service and
 * has that sink. */
void reef_socket_set_ud(int id, const struct reef_sink *sink, void *ud);
/* Stops and resumes reading; the peer's bytes wait in the kernel. */
void reef_socket_pause(int id);
void reef_socket_resume(int id);

/* ---- writing ---- */
enum reef_priority {
	REEF_NORMAL,
	REEF_LOW, /* leaves only while no normal output waits; each write stays in one piece */
};

/* Queues n bytes; never blocks. True: accepted. False: the id is unknown or closing, nothing will be sent. */
bool reef_socket_write(int id, const void *bytes, size_t n, enum reef_priority priority);
/* The same for a block from reef_malloc, which is taken in every case: no copy. */
bool reef_socket_write_take(int id, void *block, size_t n, enum reef_priority priority);
/* The same for bytes that many sockets send: no copy, the payload is held until they have left. */
bool reef_socket_write_shared(int id, struct reef_payload *payload);
/* Bytes accepted but not yet given to the kernel. */
size_t reef_socket_unsent(int id);

/* ---- ends ---- */

/* Reading stops, `closed` follows unless it or `failed` has been heard, unsent output is flushed in the background: for
 * reef_socket_set_linger's time at most, then it is dropped. To be told nothing, abandon first. */
void reef_socket_close(int id);
/* The same, dropping unsent output. */
void reef_socket_shutdown(int id);
/* The handle of the owner; 0: no such socket. */
uint32_t reef_socket_owner(int id);
/* How long a closed socket may take to flush: nanoseconds; default 60 s, config `socket_linger` in cs. */
void reef_socket_set_linger(int id, uint64_t ns);

/* TCP sockets send at once (TCP_NODELAY) by default: gathering is done here. True: done. */
bool reef_socket_nodelay(int id, bool on);

/* ---- TLS ---- */

/* From now on this socket speaks TLS; the target is copied.
 *
 * After reef_socket_open: `opened` comes when the handshake is done, within the deadline of the connect. On a listener:
 * what it accepts is a server's side, whose handshake begins with reef_socket_start. On an established connection, the
 * role being the context's: queued output leaves unencrypted first, and the n bytes that the caller has already received
 * belong to the handshake; `opened` follows, or `failed`. A connection that has TLS carries the new one within, once. False: no
 * stream socket of this service, or it cannot have (more) TLS. */
bool reef_socket_use_tls(int id, const struct reef_tls_target *target, const void *received, size_t n);
/* False: no such socket, or no TLS on it. */
bool reef_socket_tls_info(int id, struct reef_tls_info *info);

#endif
