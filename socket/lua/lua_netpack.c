/* `skynet.netpack`: packets with a 2-byte length, made and cut out of socket messages. */
#include "lua_netpack.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/ptrmap.h"
#include "core/send.h"
#include "core/service.h"
#include "core/slice.h"
#include "lua_common.h"
#include "netpack.h"
#include "raw.h"

#define QUEUE "reef.netpack.queue"
#define MOST 0xffff /* bytes of a packet */

/* Where the packets of one stream go without a detour through Lua: from where they were read, once the first one has shown
 * that its socket is this service's. */
struct route {
	struct reef_raw_tap tap;
	struct reef_netpack *packets;
	int id;
	uint32_t to, source; /* source 0: this service */
	uint8_t type;
};

struct queue {
	struct reef_netpack *packets; /* NULL: it was collected */
	struct reef_ptrmap routes;    /* by the stream's id + 1 */
};

static struct queue *to_queue(lua_State *L) {
	return luaL_testudata(L, 1, QUEUE);
}

struct reef_netpack *reef_lua_netpack_queue(lua_State *L, int index) {
	struct queue *queue = luaL_testudata(L, index, QUEUE);
	return queue ? queue->packets : NULL;
}

static void route_delete(struct route *route) {
	if (route)
		reef_raw_set_tap(route->id, NULL);
	reef_free(route);
}

static int netpack_clear(lua_State *L) {
	struct queue *queue = to_queue(L);
	if (queue && queue->packets)
		reef_netpack_clear(queue->packets);
	return 0;
}

static int netpack_collect(lua_State *L) {
	struct queue *queue = luaL_checkudata(L, 1, QUEUE);
	if (queue->packets == NULL)
		return 0;
	reef_netpack_delete(queue->packets);
	queue->packets = NULL;
	for (size_t i = 0; i < queue->routes.capacity; i++) {
		if (queue->routes.slots[i].key)
			route_delete(queue->routes.slots[i].value);
	}
	reef_ptrmap_fini(&queue->routes);
	return 0;
}

static struct queue *push_queue(lua_State *L) {
	struct queue *queue = lua_newuserdatauv(L, sizeof *queue, 0);
	queue->packets = NULL;
	if (luaL_newmetatable(L, QUEUE)) {
		lua_pushcfunction(L, netpack_collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	queue->packets = reef_netpack_new(2, MOST);
	reef_ptrmap_init(&queue->routes);
	return queue;
}

/* The queue at index 1, made if there is none yet. */
static struct queue *check_queue(lua_State *L) {
	struct queue *queue = to_queue(L);
	if (queue) {
		luaL_argcheck(L, queue->packets != NULL, 1, "this queue was collected");
		return queue;
	}
	queue = push_queue(L);
	lua_replace(L, 1);
	return queue;
}

/* ---- routes ---- */

static const void *key_of_route(int id) {
	return (const void *)((uintptr_t)(unsigned)id + 1);
}

int reef_lua_netpack_new(lua_State *L) {
	push_queue(L);
	return 1;
}

/* A reef_netpack_take. */
static void send_packet(void *ud, const void *packet, size_t size, void *block) {
	const struct route *route = ud;
	struct reef_message *m = block ? reef_message_wrap(block, size) : reef_message_new(size);
	if (block == NULL)
		memcpy(m->data, packet, size);
	m->source = route->source ? route->source : reef_service_handle(reef_slice_service());
	m->session = route->id;
	m->type = route->type;
	reef_send_offer(route->to, m);
}

/* A tap. Who came first, leaves first: packets that wait in the queue may be of this stream. */
static bool send_routed(struct reef_raw_tap *tap, int id, const char *bytes, size_t n) {
	struct route *route = (struct route *)(void *)tap;
	if (reef_netpack_count(route->packets) > 0)
		return false;
	reef_netpack_cut(route->packets, id, bytes, n, send_packet, route);
	return true;
}

int reef_lua_netpack_route(lua_State *L) {
	struct queue *queue = check_queue(L);
	int id = (int)luaL_checkinteger(L, 2);
	if (lua_isnoneornil(L, 3)) {
		route_delete(reef_ptrmap_remove(&queue->routes, key_of_route(id)));
		return 0;
	}
	lua_Integer to = luaL_checkinteger(L, 3), source = luaL_checkinteger(L, 4), type = luaL_checkinteger(L, 5);
	luaL_argcheck(L, to > 0 && to <= UINT32_MAX, 3, "no address");
	luaL_argcheck(L, source >= 0 && source <= UINT32_MAX, 4, "no address");
	luaL_argcheck(L, type > 0 && type <= UINT8_MAX, 5, "no message type");
	struct route *route = reef_ptrmap_get(&queue->routes, key_of_route(id));
	if (route == NULL) {
		route = reef_malloc(sizeof *route);
		if (!reef_ptrmap_put(&queue->routes, key_of_route(id), route)) {
			reef_free(route);
			return luaL_error(L, "not enough memory");
		}
	}
	*route = (struct route){.tap.data = send_routed,
							.packets = queue->packets,
							.id = id,
							.to = (uint32_t)to,
							.source = (uint32_t)source,
							.type = (uint8_t)type};
	return 0;
}

static int lua_netpack_push_packet(lua_State *L, const struct reef_packet *packet) {
	lua_pushinteger(L, packet->id);
	lua_pushlightuserdata(L, packet->data);
	lua_pushinteger(L, (lua_Integer)packet->size);
	return 3;
}

/* (queue or nil, message, size) -> queue, type, id, ... */
static int netpack_filter(lua_State *L) {
	luaL_checktype(L, 2, LUA_TLIGHTUSERDATA);
	struct reef_socket_message *event = lua_touserdata(L, 2);
	size_t size = (size_t)luaL_checkinteger(L, 3);
	if (event == NULL || size < sizeof *event)
		return luaL_error(L, "not a socket message");
	lua_settop(L, 3);
	const char *text = (const char *)(event + 1);
	size_t n = size - sizeof *event;
	struct reef_packet packet;
	switch (event->type) {
	case REEF_EVENT_DATA: {
		struct queue *own = check_queue(L);
		struct reef_netpack *queue = own->packets;
		lua_settop(L, 1);
		struct route *route = own->routes.count ? reef_ptrmap_get(&own->routes, key_of_route(event->id)) : NULL;
		if (route)
			reef_raw_set_tap(event->id, &route->tap);
		if (route == NULL || !send_routed(&route->tap, event->id, event->buffer, (size_t)event->ud))
			reef_netpack_feed(queue, event->id, event->buffer, (size_t)event->ud);
		reef_free(event->buffer);
		event->buffer = NULL;
		if (reef_netpack_count(queue) == 1 && reef_netpack_pop(queue, &packet)) {
			lua_pushliteral(L, "data");
			return 2 + lua_netpack_push_packet(L, &packet);
		}
		if (reef_netpack_count(queue) == 0)
			return 1;
		lua_pushliteral(L, "more");
		return 2;
	}
	case REEF_EVENT_CONNECT:
		lua_settop(L, 1);
		lua_pushliteral(L, "init");
		lua_pushinteger(L, event->id);
		lua_pushlstring(L, text, n);
		lua_pushinteger(L, event->ud);
		return 5;
	case REEF_EVENT_ACCEPT:
		lua_settop(L, 1);
		lua_pushliteral(L, "open");
		lua_pushinteger(L, event->ud);
		lua_pushlstring(L, text, n);
		return 4;
	case REEF_EVENT_CLOSE:
	case REEF_EVENT_ERROR:
		if (to_queue(L))
			reef_netpack_forget(check_queue(L)->packets, event->id);
		lua_settop(L, 1);
		lua_pushstring(L, event->type == REEF_EVENT_CLOSE ? "close" : "error");
		lua_pushinteger(L, event->id);
		if (event->type == REEF_EVENT_CLOSE)
			return 3;
		lua_pushlstring(L, text, n);
		return 4;
	case REEF_EVENT_WARNING:
		lua_settop(L, 1);
		lua_pushliteral(L, "warning");
		lua_pushinteger(L, event->id);
		lua_pushinteger(L, event->ud);
		return 4;
	default:
		reef_free(event->buffer);
		event->buffer = NULL;
		lua_settop(L, 1);
		return 1;
	}
}

/* (queue) -> id, block, size; nothing when it is empty */
static int netpack_pop(lua_State *L) {
	struct queue *queue = to_queue(L);
	struct reef_packet packet;
	if (queue == NULL || queue->packets == NULL || !reef_netpack_pop(queue->packets, &packet))
		return 0;
	return lua_netpack_push_packet(L, &packet);
}

/* (string, or block and size) -> block, size; a block is only read */
static int netpack_pack(lua_State *L) {
	size_t n;
	void *unused;
	const char *bytes = reef_lua_common_bytes(L, 1, &n, &unused);
	if (n > MOST)
		return luaL_error(L, "Invalid size (too long) of data : %I", (lua_Integer)n);
	unsigned char *block = reef_malloc(n + 2);
	block[0] = (unsigned char)(n >> 8);
	block[1] = (unsigned char)n;
	memcpy(block + 2, bytes, n);
	lua_pushlightuserdata(L, block);
	lua_pushinteger(L, (lua_Integer)(n + 2));
	return 2;
}

/* (block, size) -> string; frees the block */
static int netpack_tostring(lua_State *L) {
	if (!lua_isnoneornil(L, 1))
		luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	void *block = lua_touserdata(L, 1);
	lua_Integer n = luaL_checkinteger(L, 2);
	luaL_argcheck(L, n >= 0, 2, "negative size");
	if (block == NULL)
		lua_pushliteral(L, "");
	else
		lua_pushlstring(L, block, (size_t)n);
	reef_free(block);
	return 1;
}

int reef_lua_netpack_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"filter", netpack_filter}, {"pop", netpack_pop},           {"pack", netpack_pack},
			{"clear", netpack_clear},   {"tostring", netpack_tostring}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
