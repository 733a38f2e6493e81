/* The functions of socket.h and its sisters, for services with a seam (core/seam.h) and for all others.
 *
 * What a service does with sockets passes its seam, and so does what comes of it. In a replay nothing is done, and what the
 * record says is told to whoever would have heard of it (replayed.h). Without a seam each function is the one of real.h. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/message.h"
#include "core/seam.h"
#include "listen.h"
#include "real.h"
#include "replayed.h"
#include "socket/tls/tls.h"
#include "udp.h"

/* The numbers are part of the format of records. */
enum kind {
	DEED_OPEN,
	DEED_BIND,
	DEED_START,
	DEED_ABANDON,
	DEED_PAUSE,
	DEED_RESUME,
	DEED_WRITE,
	DEED_CLOSE,
	DEED_SHUTDOWN,
	DEED_LINGER,
	DEED_NODELAY,
	DEED_TLS,
	DEED_LISTEN,
	DEED_ANNOUNCE,
	DEED_UDP_OPEN,
	DEED_UDP_DIAL,
	DEED_UDP_CONNECT,
	DEED_UDP_SEND,
};

/* ---- deeds: what is done stands between `begin` and one of those that end it ---- */

struct deed {
	struct reef_seam *seam; /* left until the deed ends; NULL: there is none */
	bool real;              /* it is to be done */
};

static __attribute__((cold)) struct deed begin_through(struct reef_seam *seam, enum kind kind,
													   const struct reef_seam_about *about) {
	bool real = seam->act(seam, REEF_SEAM_SOCKET + (unsigned)kind, about);
	seam->off++;
	return (struct deed){seam, real};
}

static inline struct deed begin(enum kind kind, int64_t a, int64_t b, const void *bytes, size_t size) {
	struct reef_seam *seam = reef_seam_here();
	if (seam == NULL)
		return (struct deed){NULL, true};
	return begin_through(seam, kind, &(struct reef_seam_about){.a = a, .b = b, .bytes = bytes, .size = size});
}

static inline void end(struct deed deed) {
	if (deed.seam)
		deed.seam->off--;
}

static inline int64_t result(struct deed deed, int64_t real) {
	end(deed);
	return deed.seam ? deed.seam->number(deed.seam, REEF_SEAM_RESULT, real) : real;
}

static inline bool success(struct deed deed, bool real) {
	end(deed);
	return deed.seam ? deed.seam->number(deed.seam, REEF_SEAM_DONE, real) : real;
}

static inline const char *reason(struct deed deed, const char *real) {
	end(deed);
	return deed.seam ? deed.seam->text(deed.seam, REEF_SEAM_RESULT, real) : real;
}

/* A new socket: its id, or 0 and why. */
static int made(struct deed deed, int real, const char **error) {
	int id = (int)result(deed, real);
	if (deed.seam && id == 0)
		*error = deed.seam->text(deed.seam, REEF_SEAM_RESULT, *error);
	return id;
}

/* One that somebody hears of. */
static int made_for(const struct reef_sink *sink, void *ud, struct deed deed, int real, const char **error) {
	int id = made(deed, real, error);
	if (!deed.real)
		reef_socket_replayed_listen(id, sink, ud);
	return id;
}

static size_t text_size(const char *text) {
	return text ? strlen(text) : 0;
}

int reef_socket_open(const char *host, int port, uint64_t deadline_ns, const struct reef_sink *sink, void *ud,
					 const char **error) {
	struct deed deed = begin(DEED_OPEN, port, 0, host, text_size(host));
	return made_for(sink, ud, deed, deed.real ? reef_real_open(host, port, deadline_ns, sink, ud, error) : 0, error);
}

int reef_socket_bind_fd(int fd, const struct reef_sink *sink, void *ud, const char **error) {
	struct deed deed = begin(DEED_BIND, fd, 0, NULL, 0);
	return made_for(sink, ud, deed, deed.real ? reef_real_bind_fd(fd, sink, ud, error) : 0, error);
}

const char *reef_socket_start(int id, const struct reef_sink *sink, void *ud, bool tell) {
	struct deed deed = begin(DEED_START, id, tell, NULL, 0);
	const char *error = reason(deed, deed.real ? reef_real_start(id, sink, ud, tell) : NULL);
	if (!deed.real && error == NULL)
		reef_socket_replayed_listen(id, sink, ud);
	return error;
}

void reef_socket_abandon(int id) {
	struct deed deed = begin(DEED_ABANDON, id, 0, NULL, 0);
	if (deed.real)
		reef_real_abandon(id);
	else
		reef_socket_replayed_forget(id);
	end(deed);
}

/* Nothing that anybody outside could notice. */
void reef_socket_set_ud(int id, const struct reef_sink *sink, void *ud) {
	struct reef_seam *seam = reef_seam_leave();
	if (seam)
		reef_socket_replayed_set_ud(id, sink, ud);
	reef_real_set_ud(id, sink, ud);
	reef_seam_return(seam);
}

void reef_socket_pause(int id) {
	struct deed deed = begin(DEED_PAUSE, id, 0, NULL, 0);
	if (deed.real)
		reef_real_pause(id);
	end(deed);
}

void reef_socket_resume(int id) {
	struct deed deed = begin(DEED_RESUME, id, 0, NULL, 0);
	if (deed.real)
		reef_real_resume(id);
	end(deed);
}

bool reef_socket_write(int id, const void *bytes, size_t n, enum reef_priority priority) {
	struct deed deed = begin(DEED_WRITE, id, priority, bytes, n);
	return success(deed, deed.real && reef_real_write(id, bytes, n, priority));
}

bool reef_socket_write_take(int id, void *block, size_t n, enum reef_priority priority) {
	struct deed deed = begin(DEED_WRITE, id, priority, block, n);
	if (!deed.real)
		reef_free(block);
	return success(deed, deed.real && reef_real_write_take(id, block, n, priority));
}

bool reef_socket_write_shared(int id, struct reef_payload *payload) {
	size_t size = 0;
	const void *bytes = reef_seam_is_on() ? reef_payload_bytes(payload, &size) : NULL;
	struct deed deed = begin(DEED_WRITE, id, REEF_NORMAL, bytes, size);
	return success(deed, deed.real && reef_real_write_shared(id, payload));
}

void reef_socket_close(int id) {
	struct deed deed = begin(DEED_CLOSE, id, 0, NULL, 0);
	if (deed.real)
		reef_real_close(id);
	end(deed);
}

void reef_socket_shutdown(int id) {
	struct deed deed = begin(DEED_SHUTDOWN, id, 0, NULL, 0);
	if (deed.real)
		reef_real_shutdown(id);
	end(deed);
}

void reef_socket_set_linger(int id, uint64_t ns) {
	struct deed deed = begin(DEED_LINGER, id, (int64_t)ns, NULL, 0);
	if (deed.real)
		reef_real_set_linger(id, ns);
	end(deed);
}

bool reef_socket_nodelay(int id, bool on) {
	struct deed deed = begin(DEED_NODELAY, id, on, NULL, 0);
	return success(deed, deed.real && reef_real_nodelay(id, on));
}

bool reef_socket_use_tls(int id, const struct reef_tls_target *target, const void *received, size_t n) {
	struct deed deed = begin(DEED_TLS, id, 0, received, n);
	return success(deed, deed.real && reef_real_use_tls(id, target, received, n));
}

int reef_listen_open(const char *host, int port, int backlog, char *ip, int *real_port, const char **error) {
	struct deed deed = begin(DEED_LISTEN, port, backlog, host, text_size(host));
	int id = made(deed, deed.real ? reef_real_listen_open(host, port, backlog, ip, real_port, error) : 0, error);
	struct reef_seam *seam = id > 0 ? deed.seam : NULL;
	if (seam && real_port)
		*real_port = (int)seam->number(seam, REEF_SEAM_RESULT, *real_port);
	const char *text = seam ? seam->text(seam, REEF_SEAM_RESULT, ip) : NULL;
	if (ip && text && text != ip)
		strncpy(ip, text, REEF_ADDRESS_SIZE - 1)[REEF_ADDRESS_SIZE - 1] = '\0';
	return id;
}

void reef_listen_announce(int id, const struct reef_sink *sink, void *ud) {
	struct deed deed = begin(DEED_ANNOUNCE, id, 0, NULL, 0);
	if (deed.real)
		reef_real_listen_announce(id, sink, ud);
	else
		reef_socket_replayed_listen(id, sink, ud);
	end(deed);
}

int reef_udp_open(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct deed deed = begin(DEED_UDP_OPEN, port, 0, host, text_size(host));
	return made_for(sink, ud, deed, deed.real ? reef_real_udp_open(host, port, sink, ud, error) : 0, error);
}

int reef_udp_dial(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct deed deed = begin(DEED_UDP_DIAL, port, 0, host, text_size(host));
	return made_for(sink, ud, deed, deed.real ? reef_real_udp_dial(host, port, sink, ud, error) : 0, error);
}

const char *reef_udp_connect(int id, const char *host, int port) {
	struct deed deed = begin(DEED_UDP_CONNECT, id, port, host, text_size(host));
	return reason(deed, deed.real ? reef_real_udp_connect(id, host, port) : NULL);
}

bool reef_udp_send(int id, const uint8_t *address, size_t address_size, const void *bytes, size_t n) {
	struct deed deed = begin(DEED_UDP_SEND, id, (int64_t)address_size, bytes, n);
	return success(deed, deed.real && reef_real_udp_send(id, address, address_size, bytes, n));
}

/* ---- questions ---- */

/* Whatever a record says they are, texts end. */
#define END_TEXT(text) ((text)[sizeof(text) - 1] = '\0')

size_t reef_socket_unsent(int id) {
	struct reef_seam *seam = reef_seam_leave();
	size_t unsent = reef_real_unsent(id);
	reef_seam_return(seam);
	return seam ? (size_t)seam->number(seam, REEF_SEAM_STATE, (int64_t)unsent) : unsent;
}

uint32_t reef_socket_owner(int id) {
	return (uint32_t)reef_seam_number(REEF_SEAM_STATE, reef_real_owner(id));
}

int reef_info_next(int id) {
	return (int)reef_seam_number(REEF_SEAM_STATE, reef_real_info_next(id));
}

/* Of a socket that is known, if `real` says so: what stands in `info`. */
static bool ask(struct reef_seam *left, bool real, void *info, size_t size) {
	reef_seam_return(left);
	bool known = left ? left->number(left, REEF_SEAM_STATE, real) : real;
	if (left && known)
		left->bytes(left, REEF_SEAM_STATE, info, size);
	return known;
}

bool reef_socket_tls_info(int id, struct reef_tls_info *info) {
	struct reef_seam *seam = reef_seam_leave();
	if (!ask(seam, reef_real_tls_info(id, info), info, sizeof *info))
		return false;
	reef_seam_mend(&info->established);
	reef_seam_mend(&info->resumed);
	reef_seam_mend(&info->server);
	reef_seam_mend(&info->has_peer);
	END_TEXT(info->version);
	END_TEXT(info->cipher);
	END_TEXT(info->alpn);
	END_TEXT(info->name);
	END_TEXT(info->subject);
	END_TEXT(info->issuer);
	END_TEXT(info->names);
	END_TEXT(info->not_after);
	END_TEXT(info->fingerprint);
	return true;
}

bool reef_info_get(int id, struct reef_socket_info *info) {
	struct reef_seam *seam = reef_seam_leave();
	if (!ask(seam, reef_real_info_get(id, info), info, sizeof *info))
		return false;
	reef_seam_mend(&info->reading);
	reef_seam_mend(&info->writing);
	END_TEXT(info->name);
	if ((unsigned)info->type > REEF_SOCKET_CLOSING)
		info->type = REEF_SOCKET_CLOSING;
	return true;
}
