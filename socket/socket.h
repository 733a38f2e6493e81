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
 * TLS (tls.h) sits between descriptor and sink, in two functions that are called with the socket locked: read_some
 * (event.c) and send_vectors (output.c). Sinks and writers do not notice.
 */
#ifndef REEF_SOCKET_H
#define REEF_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A datagram's address as users hold it: 1 byte family (4 or 6 bytes follow the port), 2 bytes port, the IP; 7 or 19
 * bytes, in network order. */
struct reef_udp_address {
	uint8_t size;
	uint8_t bytes[19];
};

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
 * They return an id > 0, or 0 with a text at *error (static, or valid until the thread's next call here). Addresses:
 * with port >= 0, `host` is an IP (v6 with or without brackets) or a name; with port < 0 it has one of the forms
 * "ip:port", "name:port", "[v6]:port", "unix:PATH", "/PATH" (a Unix socket), "unix:@NAME" (an abstract one). */

/* Starts a connect. Of a name all addresses are tried, the next one beside those that take long (RFC 8305). `opened` or
 * `failed` follows, in any case by `deadline_ns` (reef_now_ns; 0: the default of 30 s, config `socket_connect_timeout` in cs). */
int reef_socket_open(const char *host, int port, uint64_t deadline_ns, const struct reef_sink *sink, void *ud,
					 const char **error);

/* Binds and listens (resolving names here and now), but accepts nothing before reef_socket_start. The real address goes
 * to `ip` (at least REEF_ADDRESS_SIZE bytes, or NULL) and `*real_port` (0 for Unix sockets). */
#define REEF_ADDRESS_SIZE 128
int reef_socket_listen(const char *host, int port, int backlog, char *ip, int *real_port, const char **error);

/* Wraps a descriptor of the process: read and written here, never closed here. */
int reef_socket_bind_fd(int fd, const struct reef_sink *sink, void *ud, const char **error);

/* Takes ownership of a listener, of an accepted connection or of an abandoned socket, and begins to accept or read.
 * With `tell`, `opened` follows. NULL, or why not: "invalid socket", "socket closed". Any service's slice. */
const char *reef_socket_start(int id, const struct reef_sink *sink, void *ud, bool tell);

/* ---- reading: owner functions ---- */

/* The sink is not called any more; nothing is read until some service starts the socket. */
void reef_socket_abandon(int id);
/* Replaces the sink, keeping everything else. */
bool reef_socket_set_sink(int id, const struct reef_sink *sink, void *ud);
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

/* ---- UDP: making and connecting are owner functions; see socket making above for results ---- */

/* A socket bound to that address, or (host NULL) an unbound IPv4 one. `datagram` hears what comes. */
int reef_udp_open(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error);
/* An unbound socket of the family that the address has, with that default destination. */
int reef_udp_dial(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error);
/* Sets the default destination, so that reef_socket_write works. NULL, or why not. */
const char *reef_udp_connect(int id, const char *host, int port);
/* False: unknown id, a malformed address or one of another family. What the kernel refuses is dropped with a log. */
bool reef_udp_send(int id, const uint8_t *address, size_t address_size, const void *bytes, size_t n);
/* "ip" of at least REEF_ADDRESS_SIZE bytes. False: malformed. */
bool reef_udp_address_text(const uint8_t *address, size_t address_size, char *ip, int *port);

/* ---- names ---- */

/* Is that address, in the forms above, one with a name that has to be resolved? Copies the name (256 bytes) and port. */
bool reef_address_needs_name(const char *host, int port, char *name, int *real_port);

/* ---- statistics ---- */
enum reef_socket_type {
	REEF_SOCKET_OPENING,
	REEF_SOCKET_LISTEN,
	REEF_SOCKET_TCP, /* and connected Unix sockets */
	REEF_SOCKET_UDP,
	REEF_SOCKET_BIND,
	REEF_SOCKET_CLOSING,
};
struct reef_socket_info {
	int id;
	uint32_t owner;
	enum reef_socket_type type;
	uint64_t read, written;       /* bytes; `read` counts connections for a listener */
	uint64_t unsent;              /* bytes */
	uint64_t rtime, wtime;        /* reef_now_cs of the last of each, 0: never */
	bool reading, writing;        /* neither paused nor ended; output is waiting */
	char name[REEF_ADDRESS_SIZE]; /* the peer's address; a listener's own */
};
/* False: no such socket. */
bool reef_socket_get_info(int id, struct reef_socket_info *info);
/* The next id behind `id` in the table (0 to begin), 0 at the end. Sockets may come and go meanwhile. */
int reef_socket_next(int id);

#endif
