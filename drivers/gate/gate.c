/* The C service `gate`: a TCP front door for clients whose packets have a length of 2 or 4 bytes in front.
 *
 * Launched with `<S|L> <watchdog|!> <address> <ptype|0> <max>`. To the watchdog, as PTYPE_TEXT: `N open N ip:0`, `N close`,
 * `N data ` and a packet's bytes. A client is read once the gate is told `start N`; its packets go to the broker if there is
 * one, else to the client's agent (`forward N :agent :client`), as messages of type `ptype` with the session N, else to
 * the watchdog. Other commands: `kick N`, `close` (take no more clients).
 *
 * All of it runs in the service's slices. The gate owns its clients and what has come of their packets. Reading is not on the
 * public API as the rest is: a client's bytes are cut into messages where they were read, without an event between.
 */
#include "gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "core/alloc.h"
#include "core/cservice.h"
#include "core/ptrmap.h"
#include "core/skynet.h"
#include "socket/lua/netpack.h"
#include "socket/lua/raw.h"
#include "socket/lua/skynet_socket.h"

#define BACKLOG 128
#define MOST ((size_t)1 << 24) /* bytes of a packet; the contract's */
#define PREFIX 32              /* `N data ` */

struct client {
	struct reef_raw_tap tap;
	struct reef_gate *gate;
	int id;
	uint32_t agent, source; /* 0: no agent; the gate itself */
	bool started;
};

struct reef_gate {
	struct skynet_context *context;
	int listener;
	struct reef_gate_param param;
	uint32_t watchdog, broker;  /* 0: none */
	struct reef_ptrmap clients; /* by id */
	struct reef_netpack *packets;
};

void *reef_gate_create(void) {
	struct reef_gate *gate = reef_calloc(1, sizeof *gate);
	reef_ptrmap_init(&gate->clients);
	return gate;
}

void reef_gate_release(void *instance) {
	struct reef_gate *gate = instance;
	for (size_t i = 0; i < gate->clients.capacity; i++) {
		if (gate->clients.slots[i].key)
			reef_free(gate->clients.slots[i].value);
	}
	reef_ptrmap_fini(&gate->clients);
	if (gate->packets)
		reef_netpack_delete(gate->packets);
	reef_free(gate);
}

static const void *key_of_client(int id) {
	return (const void *)(uintptr_t)(unsigned)id;
}

static struct client *find(const struct reef_gate *gate, int id) {
	return id > 0 ? reef_ptrmap_get(&gate->clients, key_of_client(id)) : NULL;
}

static void forget(struct reef_gate *gate, int id) {
	reef_netpack_forget(gate->packets, id);
	reef_free(reef_ptrmap_remove(&gate->clients, key_of_client(id)));
}

/* ---- to others ---- */

__attribute__((format(printf, 3, 4))) static void tell(const struct reef_gate *gate, struct skynet_context *context,
													   const char *format, ...) {
	char text[2 * REEF_GATE_WORD];
	if (gate->watchdog == 0)
		return;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	skynet_send(context, 0, gate->watchdog, PTYPE_TEXT, 0, text, (size_t)n);
}

static void tell_data(const struct reef_gate *gate, int id, const void *packet, size_t size) {
	if (gate->watchdog == 0)
		return;
	char *text = reef_malloc(PREFIX + size);
	size_t n = (size_t)snprintf(text, PREFIX, "%d data ", id);
	memcpy(text + n, packet, size);
	skynet_send(gate->context, 0, gate->watchdog, PTYPE_TEXT | PTYPE_TAG_DONTCOPY, 0, text, n + size);
}

/* A packet of a client, which is somebody's; a reef_netpack_take. */
static void forward(void *ud, const void *packet, size_t size, void *block) {
	struct client *client = ud;
	struct reef_gate *gate = client->gate;
	struct skynet_context *context = gate->context;
	uint32_t to = gate->broker ? gate->broker : client->agent;
	if (to == 0) {
		tell_data(gate, client->id, packet, size);
		reef_free(block);
		return;
	}
	uint32_t source = gate->broker ? 0 : client->source;
	int type = gate->param.type | (block ? PTYPE_TAG_DONTCOPY : 0);
	void *data = (void *)(uintptr_t)packet;
	if (skynet_send(context, source, to, type, client->id, data, size) == -1 && client->agent == to) {
		skynet_error(context, "gate: the agent :%08x of %d is gone, its packets go to the watchdog", to, client->id);
		client->agent = 0;
	}
}

/* ---- from sockets ---- */

static void end_client(struct reef_gate *gate, struct skynet_context *context, int id) {
	skynet_socket_close(context, id);
	forget(gate, id);
	tell(gate, context, "%d close", id);
}

/* Each client's bytes come here from where they are read, mostly without an event. */
static bool read_data(struct reef_raw_tap *tap, int id, const char *bytes, size_t n) {
	struct client *client = (struct client *)(void *)tap;
	struct reef_gate *gate = client->gate;
	if (!reef_netpack_cut(gate->packets, id, bytes, n, forward, client)) {
		skynet_error(gate->context, "gate: %d sends a packet of more than %zu bytes", id, MOST);
		end_client(gate, gate->context, id);
	}
	return true;
}

/* `peer` is "ip:port", n bytes. */
static void accept_client(struct reef_gate *gate, struct skynet_context *context, int id, const char *peer, size_t n) {
	if (gate->clients.count >= (size_t)gate->param.max) {
		skynet_socket_shutdown(context, id);
		return;
	}
	struct client *client = reef_malloc(sizeof *client);
	*client = (struct client){.tap.data = read_data, .gate = gate, .id = id};
	if (!reef_ptrmap_put(&gate->clients, key_of_client(id), client)) {
		reef_free(client);
		skynet_socket_shutdown(context, id);
		return;
	}
	const char *colon = memrchr(peer, ':', n);
	tell(gate, context, "%d open %d %.*s:0", id, id, (int)(colon ? (size_t)(colon - peer) : n), peer);
}

static void on_socket(struct reef_gate *gate, struct skynet_context *context, const struct skynet_socket_message *event,
					  size_t size) {
	struct client *client = find(gate, event->id);
	const char *text = (const char *)(event + 1);
	size_t n = size - sizeof *event;
	switch (event->type) {
	case SKYNET_SOCKET_TYPE_DATA:
		if (client)
			read_data(&client->tap, event->id, event->buffer, (size_t)event->ud);
		skynet_free(event->buffer);
		break;
	case SKYNET_SOCKET_TYPE_ACCEPT:
		accept_client(gate, context, event->ud, text, n);
		break;
	case SKYNET_SOCKET_TYPE_CLOSE:
	case SKYNET_SOCKET_TYPE_ERROR:
		if (client)
			end_client(gate, context, event->id);
		else if (event->id == gate->listener && event->type == SKYNET_SOCKET_TYPE_ERROR)
			skynet_error(context, "gate: cannot accept: %.*s", (int)n, text);
		break;
	case SKYNET_SOCKET_TYPE_WARNING:
		skynet_error(context, "gate: %d K bytes wait to be sent to %d", event->ud, event->id);
		break;
	default:
		break;
	}
}

/* ---- from services ---- */

/* False: it is no command, or of no client. */
static bool obey(struct reef_gate *gate, struct skynet_context *context, const char *text, size_t n) {
	struct reef_gate_command command = reef_gate_parse_command(text, n);
	struct client *client = find(gate, command.id);
	switch (command.verb) {
	case REEF_GATE_KICK:
		if (client)
			end_client(gate, context, client->id);
		return client != NULL;
	case REEF_GATE_START:
		if (client && !client->started) {
			skynet_socket_start(context, client->id);
			reef_raw_set_tap(client->id, &client->tap);
			client->started = true;
		}
		return client != NULL;
	case REEF_GATE_FORWARD:
		if (client) {
			client->agent = skynet_queryname(context, command.agent);
			client->source = skynet_queryname(context, command.client);
		}
		return client != NULL;
	case REEF_GATE_BROKER:
		gate->broker = skynet_queryname(context, command.agent);
		return gate->broker != 0;
	case REEF_GATE_CLOSE:
		if (gate->listener > 0)
			skynet_socket_close(context, gate->listener);
		gate->listener = 0;
		return true;
	default:
		return false;
	}
}

static int gate_message(struct skynet_context *context, void *ud, int type, int session, uint32_t source,
						const void *msg, size_t size) {
	struct reef_gate *gate = ud;
	if (type == PTYPE_SOCKET) {
		on_socket(gate, context, msg, size);
	} else if (type == PTYPE_TEXT) {
		bool done = obey(gate, context, msg, size);
		if (!done)
			skynet_error(context, "gate: :%08x says what cannot be done: %.*s", source, (int)(size < 64 ? size : 64),
						 (const char *)msg);
		if (session > 0)
			skynet_send(context, 0, source, done ? PTYPE_RESPONSE : PTYPE_ERROR, session, NULL, 0);
	}
	return 0;
}

int reef_gate_init(void *instance, struct skynet_context *context, const char *text) {
	struct reef_gate *gate = instance;
	struct reef_gate_param *param = &gate->param;
	const char *error;
	reef_cservice_tell_passed_over("gate");
	if (!reef_gate_parse_param(param, text, &error)) {
		skynet_error(context, "gate: %s: %s", text, error);
		return 1;
	}
	if (strcmp(param->watchdog, "!") != 0) {
		gate->watchdog = skynet_queryname(context, param->watchdog);
		if (gate->watchdog == 0) {
			skynet_error(context, "gate: there is no watchdog %s", param->watchdog);
			return 1;
		}
	}
	gate->packets = reef_netpack_new(param->header, MOST);
	gate->context = context;
	skynet_callback(context, gate, gate_message);
	gate->listener = skynet_socket_listen(context, param->host, param->port, BACKLOG);
	if (gate->listener <= 0)
		return 1;
	skynet_socket_start(context, gate->listener);
	return 0;
}
