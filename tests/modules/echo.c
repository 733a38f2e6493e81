/* A C service that serves and uses sockets, as others write them. Launched by tests/compat/cservice_sockets.lua.
 *
 * `listen PORT` echoes on TCP, `udp PORT` on UDP; `dial PORT WORD` connects, sends the word, and echoes as well. Text
 * commands: `port`, `peer` and `events` (a digit for each) answer what has been heard, `count` how many sockets it owns;
 * `pause`, `start`, `close`, `shutdown` do that to its last connection; `refused` answers what wrong calls return.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/skynet.h"
#include "socket/lua/skynet_socket.h"

struct echo {
	int socket, port, last;
	char peer[64];
	char events[1024];
	size_t event_count;
};

struct echo *echo_create(void);
int echo_init(struct echo *echo, struct skynet_context *context, const char *param);
void echo_release(struct echo *echo);

struct echo *echo_create(void) {
	return calloc(1, sizeof(struct echo));
}

static void on_event(struct skynet_context *context, struct echo *echo, const struct skynet_socket_message *event,
					 size_t sz) {
	int text_size = (int)(sz - sizeof *event);
	const char *text = (const char *)(event + 1);
	if (echo->event_count < sizeof echo->events - 1)
		echo->events[echo->event_count++] = (char)('0' + event->type);
	switch (event->type) {
	case SKYNET_SOCKET_TYPE_CONNECT:
		if (event->id == echo->socket && event->ud > 0)
			echo->port = event->ud;
		break;
	case SKYNET_SOCKET_TYPE_ACCEPT:
		echo->last = event->ud;
		snprintf(echo->peer, sizeof echo->peer, "%.*s", text_size, text);
		skynet_socket_start(context, event->ud);
		skynet_socket_nodelay(context, event->ud);
		break;
	case SKYNET_SOCKET_TYPE_DATA: {
		struct socket_sendbuffer copy = {event->id, SOCKET_BUFFER_RAWPOINTER, "> ", 2};
		skynet_socket_sendbuffer(context, &copy);
		skynet_socket_send(context, event->id, event->buffer, event->ud);
		break;
	}
	case SKYNET_SOCKET_TYPE_UDP: {
		int size;
		struct skynet_socket_message *message = (struct skynet_socket_message *)(uintptr_t)event;
		const char *address = skynet_socket_udp_address(context, message, &size);
		if (address && size == text_size)
			skynet_socket_udp_send(context, event->id, address, event->buffer, event->ud);
		skynet_free(event->buffer);
		break;
	}
	case SKYNET_SOCKET_TYPE_CLOSE:
		skynet_socket_close(context, event->id);
		break;
	default:
		break;
	}
}

static int owned(struct skynet_context *context) {
	(void)context;
	struct socket_info *list = skynet_socket_info();
	int n = 0;
	for (const struct socket_info *info = list; info; info = info->next)
		n += info->opaque == skynet_current_handle() && info->type != SOCKET_INFO_CLOSING;
	socket_info_release(list);
	return n;
}

static int is(const void *msg, size_t sz, const char *word) {
	return sz == strlen(word) && memcmp(msg, word, sz) == 0;
}

static int on_message(struct skynet_context *context, void *ud, int type, int session, uint32_t source, const void *msg,
					  size_t sz) {
	struct echo *echo = ud;
	char text[1100] = "ok";
	if (type == PTYPE_SOCKET) {
		on_event(context, echo, msg, sz);
		return 0;
	}
	if (type != PTYPE_TEXT || session == 0)
		return 0;
	if (is(msg, sz, "port"))
		snprintf(text, sizeof text, "%d", echo->port);
	else if (is(msg, sz, "peer"))
		snprintf(text, sizeof text, "%s", echo->peer);
	else if (is(msg, sz, "events"))
		snprintf(text, sizeof text, "%s", echo->events);
	else if (is(msg, sz, "count"))
		snprintf(text, sizeof text, "%d", owned(context));
	else if (is(msg, sz, "pause"))
		skynet_socket_pause(context, echo->last);
	else if (is(msg, sz, "start"))
		skynet_socket_start(context, echo->last);
	else if (is(msg, sz, "close"))
		skynet_socket_close(context, echo->last);
	else if (is(msg, sz, "shutdown"))
		skynet_socket_shutdown(context, echo->last);
	else if (is(msg, sz, "refused")) {
		struct socket_sendbuffer object = {echo->last, SOCKET_BUFFER_OBJECT, text, 2};
		snprintf(text, sizeof text, "%d %d %d %d", skynet_socket_send(context, 0x7fffffff, skynet_malloc(8), 8),
				 skynet_socket_listen(context, "256.0.0.1", 1, 1), skynet_socket_bind(context, -1),
				 skynet_socket_sendbuffer(context, &object));
	}
	skynet_send(context, 0, source, PTYPE_RESPONSE, session, text, strlen(text));
	return 0;
}

int echo_init(struct echo *echo, struct skynet_context *context, const char *param) {
	int port = 0;
	char greeting[64] = "";
	skynet_callback(context, echo, on_message);
	if (sscanf(param, "listen %d", &port) == 1) {
		echo->socket = skynet_socket_listen(context, "127.0.0.1", port, 16);
		skynet_socket_start(context, echo->socket);
	} else if (sscanf(param, "udp %d", &port) == 1) {
		echo->socket = skynet_socket_udp_listen(context, "127.0.0.1", port);
	} else if (sscanf(param, "dial %d %63s", &port, greeting) == 2) {
		echo->socket = echo->last = skynet_socket_connect(context, "127.0.0.1", port);
		struct socket_sendbuffer copy = {echo->socket, SOCKET_BUFFER_RAWPOINTER, greeting, strlen(greeting)};
		skynet_socket_sendbuffer_lowpriority(context, &copy);
	}
	return echo->socket > 0 ? 0 : 1;
}

void echo_release(struct echo *echo) {
	free(echo);
}
