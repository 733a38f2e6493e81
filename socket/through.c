/* The functions of socket.h and its sisters, for services with a seam (core/seam.h) and for all others.
 *
 * What a service does with sockets passes its seam, and so does what comes of it. In a replay nothing is done: who listens to
 * which id is kept here, and what the record says is told to him. One service is replayed in a process. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/message.h"
#include "core/ptrmap.h"
#include "core/seam.h"
#include "listen.h"
#include "real.h"
#include "socket/tls/tls.h"
#include "tell.h"
#include "through.h"
#include "udp.h"

/* The numbers are part of the format of records. */
enum deed {
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

/* ---- who hears of a socket that is replayed ---- */

struct listener {
	const struct reef_sink *sink;
	void *ud;
};

static struct reef_ptrmap listeners; /* by id */

static struct listener *find(int id) {
	return id > 0 ? reef_ptrmap_get(&listeners, (const void *)(intptr_t)id) : NULL;
}

static void listen_to(int id, const struct reef_sink *sink, void *ud) {
	struct listener *listener = find(id);
	if (id <= 0)
		return;
	if (listener == NULL) {
		listener = reef_malloc(sizeof *listener);
		reef_ptrmap_put(&listeners, (const void *)(intptr_t)id, listener);
	}
	*listener = (struct listener){sink, ud};
}

static void forget(int id) {
	if (id > 0)
		reef_free(reef_ptrmap_remove(&listeners, (const void *)(intptr_t)id));
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

static void play(unsigned event, const struct reef_seam_about *about) {
	static struct reef_udp_address from;
	int id = (int)about->a;
	const struct listener *found = find(id);
	char text[REEF_ADDRESS_SIZE + 256];
	size_t size = about->size < sizeof text ? about->size : sizeof text - 1;
	if (found == NULL || found->sink == NULL)
		return;
	struct listener to = *found;
	const struct reef_sink *sink = to.sink;
	if (event != REEF_SOCKET_EVENT_DATA && size > 0)
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
		if (about->b < 0 && about->size == sizeof from)
			memcpy(&from, about->bytes, sizeof from);
		else if (about->b == 0 && sink->datagram && from.size <= sizeof from.bytes)
			sink->datagram(to.ud, id, about->bytes, about->size, &from);
		break;
	case REEF_SOCKET_EVENT_CLOSED:
		if (sink->closed)
			sink->closed(to.ud, id);
		break;
	case REEF_SOCKET_EVENT_FAILED:
		forget(id);
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

void reef_through_setup(void) {
	reef_seam_set_player(REEF_SEAM_EVENT_SOCKETS, play);
}

/* ---- deeds ---- */

/* Is it to be done? Then the seam is left, until `done`. */
static bool act(struct reef_seam *seam, enum deed deed, int64_t a, int64_t b, const void *bytes, size_t size) {
	if (seam == NULL)
		return true;
	bool real = seam->act(seam, REEF_SEAM_SOCKET + (unsigned)deed,
						  &(struct reef_seam_about){.a = a, .b = b, .bytes = bytes, .size = size});
	seam->off++;
	return real;
}

static int64_t done(struct reef_seam *seam, int64_t result) {
	if (seam == NULL)
		return result;
	seam->off--;
	return seam->number(seam, REEF_SEAM_RESULT, result);
}

static void done_nothing(struct reef_seam *seam) {
	if (seam)
		seam->off--;
}

static const char *done_text(struct reef_seam *seam, const char *text) {
	if (seam == NULL)
		return text;
	seam->off--;
	return seam->text(seam, REEF_SEAM_RESULT, text);
}

/* A new socket: its id, or 0 and why. */
static int made(struct reef_seam *seam, bool real, int id, const struct reef_sink *sink, void *ud, const char **error) {
	id = (int)done(seam, id);
	if (seam == NULL)
		return id;
	if (id == 0)
		*error = seam->text(seam, REEF_SEAM_RESULT, *error);
	else if (!real)
		listen_to(id, sink, ud);
	return id;
}

static size_t text_size(const char *text) {
	return text ? strlen(text) : 0;
}

int reef_socket_open(const char *host, int port, uint64_t deadline_ns, const struct reef_sink *sink, void *ud,
					 const char **error) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_OPEN, port, 0, host, text_size(host));
	return made(seam, real, real ? reef_real_open(host, port, deadline_ns, sink, ud, error) : 0, sink, ud, error);
}

int reef_socket_bind_fd(int fd, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_BIND, fd, 0, NULL, 0);
	return made(seam, real, real ? reef_real_bind_fd(fd, sink, ud, error) : 0, sink, ud, error);
}

const char *reef_socket_start(int id, const struct reef_sink *sink, void *ud, bool tell) {
	if (!reef_seam_is_on())
		return reef_real_start(id, sink, ud, tell);
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_START, id, tell, NULL, 0);
	const char *error = done_text(seam, real ? reef_real_start(id, sink, ud, tell) : NULL);
	if (!real && error == NULL)
		listen_to(id, sink, ud);
	return error;
}

void reef_socket_abandon(int id) {
	if (!reef_seam_is_on()) {
		reef_real_abandon(id);
		return;
	}
	struct reef_seam *seam = reef_seam_here();
	if (act(seam, DEED_ABANDON, id, 0, NULL, 0))
		reef_real_abandon(id);
	else
		forget(id);
	done_nothing(seam);
}

void reef_socket_set_ud(int id, const struct reef_sink *sink, void *ud) {
	if (!reef_seam_is_on()) {
		reef_real_set_ud(id, sink, ud);
		return;
	}
	const struct listener *found = find(id);
	if (found && found->sink == sink)
		listen_to(id, sink, ud);
	struct reef_seam *seam = reef_seam_leave();
	reef_real_set_ud(id, sink, ud);
	reef_seam_return(seam);
}

void reef_socket_pause(int id) {
	if (!reef_seam_is_on()) {
		reef_real_pause(id);
		return;
	}
	struct reef_seam *seam = reef_seam_here();
	if (act(seam, DEED_PAUSE, id, 0, NULL, 0))
		reef_real_pause(id);
	done_nothing(seam);
}

void reef_socket_resume(int id) {
	if (!reef_seam_is_on()) {
		reef_real_resume(id);
		return;
	}
	struct reef_seam *seam = reef_seam_here();
	if (act(seam, DEED_RESUME, id, 0, NULL, 0))
		reef_real_resume(id);
	done_nothing(seam);
}

bool reef_socket_write(int id, const void *bytes, size_t n, enum reef_priority priority) {
	if (!reef_seam_is_on())
		return reef_real_write(id, bytes, n, priority);
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_WRITE, id, priority, bytes, n);
	return done(seam, real && reef_real_write(id, bytes, n, priority));
}

bool reef_socket_write_take(int id, void *block, size_t n, enum reef_priority priority) {
	if (!reef_seam_is_on())
		return reef_real_write_take(id, block, n, priority);
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_WRITE, id, priority, block, n);
	if (!real)
		reef_free(block);
	return done(seam, real && reef_real_write_take(id, block, n, priority));
}

bool reef_socket_write_shared(int id, struct reef_payload *payload) {
	if (!reef_seam_is_on())
		return reef_real_write_shared(id, payload);
	struct reef_seam *seam = reef_seam_here();
	size_t size = 0;
	const void *bytes = seam ? reef_payload_bytes(payload, &size) : NULL;
	bool real = act(seam, DEED_WRITE, id, REEF_NORMAL, bytes, size);
	return done(seam, real && reef_real_write_shared(id, payload));
}

void reef_socket_close(int id) {
	if (!reef_seam_is_on()) {
		reef_real_close(id);
		return;
	}
	struct reef_seam *seam = reef_seam_here();
	if (act(seam, DEED_CLOSE, id, 0, NULL, 0))
		reef_real_close(id);
	done_nothing(seam);
}

void reef_socket_shutdown(int id) {
	if (!reef_seam_is_on()) {
		reef_real_shutdown(id);
		return;
	}
	struct reef_seam *seam = reef_seam_here();
	if (act(seam, DEED_SHUTDOWN, id, 0, NULL, 0))
		reef_real_shutdown(id);
	done_nothing(seam);
}

void reef_socket_set_linger(int id, uint64_t ns) {
	struct reef_seam *seam = reef_seam_here();
	if (act(seam, DEED_LINGER, id, (int64_t)ns, NULL, 0))
		reef_real_set_linger(id, ns);
	done_nothing(seam);
}

bool reef_socket_nodelay(int id, bool on) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_NODELAY, id, on, NULL, 0);
	return done(seam, real && reef_real_nodelay(id, on));
}

bool reef_socket_use_tls(int id, const struct reef_tls_target *target, const void *received, size_t n) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_TLS, id, 0, received, n);
	return done(seam, real && reef_real_use_tls(id, target, received, n));
}

int reef_listen_open(const char *host, int port, int backlog, char *ip, int *real_port, const char **error) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_LISTEN, port, backlog, host, text_size(host));
	int id = made(seam, true, real ? reef_real_listen_open(host, port, backlog, ip, real_port, error) : 0, NULL, NULL,
				  error);
	if (seam && id > 0) {
		if (real_port)
			*real_port = (int)seam->number(seam, REEF_SEAM_RESULT, *real_port);
		const char *text = seam->text(seam, REEF_SEAM_RESULT, ip);
		if (ip && text && text != ip)
			strncpy(ip, text, REEF_ADDRESS_SIZE - 1)[REEF_ADDRESS_SIZE - 1] = '\0';
	}
	return id;
}

void reef_listen_announce(int id, const struct reef_sink *sink, void *ud) {
	struct reef_seam *seam = reef_seam_here();
	if (act(seam, DEED_ANNOUNCE, id, 0, NULL, 0))
		reef_real_listen_announce(id, sink, ud);
	else
		listen_to(id, sink, ud);
	done_nothing(seam);
}

int reef_udp_open(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_UDP_OPEN, port, 0, host, text_size(host));
	return made(seam, real, real ? reef_real_udp_open(host, port, sink, ud, error) : 0, sink, ud, error);
}

int reef_udp_dial(const char *host, int port, const struct reef_sink *sink, void *ud, const char **error) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_UDP_DIAL, port, 0, host, text_size(host));
	return made(seam, real, real ? reef_real_udp_dial(host, port, sink, ud, error) : 0, sink, ud, error);
}

const char *reef_udp_connect(int id, const char *host, int port) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_UDP_CONNECT, id, port, host, text_size(host));
	return done_text(seam, real ? reef_real_udp_connect(id, host, port) : NULL);
}

bool reef_udp_send(int id, const uint8_t *address, size_t address_size, const void *bytes, size_t n) {
	struct reef_seam *seam = reef_seam_here();
	bool real = act(seam, DEED_UDP_SEND, id, (int64_t)address_size, bytes, n);
	return done(seam, real && reef_real_udp_send(id, address, address_size, bytes, n));
}

/* ---- questions ---- */

size_t reef_socket_unsent(int id) {
	if (!reef_seam_is_on())
		return reef_real_unsent(id);
	struct reef_seam *seam = reef_seam_leave();
	size_t unsent = reef_real_unsent(id);
	reef_seam_return(seam);
	return (size_t)reef_seam_number(REEF_SEAM_STATE, (int64_t)unsent);
}

uint32_t reef_socket_owner(int id) {
	return (uint32_t)reef_seam_number(REEF_SEAM_STATE, reef_real_owner(id));
}

/* Whatever a record says they are, they are what others may read. */
static void ask_tls_info(struct reef_seam *seam, struct reef_tls_info *info) {
	seam->bytes(seam, REEF_SEAM_STATE, info, sizeof *info);
	reef_seam_mend(&info->established);
	reef_seam_mend(&info->resumed);
	reef_seam_mend(&info->server);
	reef_seam_mend(&info->has_peer);
	info->version[sizeof info->version - 1] = '\0';
	info->cipher[sizeof info->cipher - 1] = '\0';
	info->alpn[sizeof info->alpn - 1] = '\0';
	info->name[sizeof info->name - 1] = '\0';
	info->subject[sizeof info->subject - 1] = '\0';
	info->issuer[sizeof info->issuer - 1] = '\0';
	info->names[sizeof info->names - 1] = '\0';
	info->not_after[sizeof info->not_after - 1] = '\0';
	info->fingerprint[sizeof info->fingerprint - 1] = '\0';
}

static void ask_info(struct reef_seam *seam, struct reef_socket_info *info) {
	seam->bytes(seam, REEF_SEAM_STATE, info, sizeof *info);
	reef_seam_mend(&info->reading);
	reef_seam_mend(&info->writing);
	info->name[sizeof info->name - 1] = '\0';
	if ((unsigned)info->type > REEF_SOCKET_CLOSING)
		info->type = REEF_SOCKET_CLOSING;
}

bool reef_socket_tls_info(int id, struct reef_tls_info *info) {
	struct reef_seam *seam = reef_seam_leave();
	bool known = reef_real_tls_info(id, info);
	reef_seam_return(seam);
	known = reef_seam_number(REEF_SEAM_STATE, known);
	if (seam && known)
		ask_tls_info(seam, info);
	return known;
}

bool reef_info_get(int id, struct reef_socket_info *info) {
	struct reef_seam *seam = reef_seam_leave();
	bool known = reef_real_info_get(id, info);
	reef_seam_return(seam);
	known = reef_seam_number(REEF_SEAM_STATE, known);
	if (seam && known)
		ask_info(seam, info);
	return known;
}

int reef_info_next(int id) {
	return (int)reef_seam_number(REEF_SEAM_STATE, reef_real_info_next(id));
}
