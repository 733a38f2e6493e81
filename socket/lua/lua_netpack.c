/* `skynet.netpack`: packets with a 2-byte length, made and cut out of socket messages. */
#include "lua_netpack.h"

#include <string.h>

#include "core/alloc.h"
#include "lua_common.h"
#include "netpack.h"
#include "raw.h"

#define QUEUE "reef.netpack.queue"
#define MOST 0xffff /* bytes of a packet */

static struct reef_netpack **to_queue(lua_State *L) {
	return luaL_testudata(L, 1, QUEUE);
}

struct reef_netpack *reef_lua_netpack_queue(lua_State *L, int index) {
	struct reef_netpack **queue = luaL_testudata(L, index, QUEUE);
	return queue ? *queue : NULL;
}

static int netpack_clear(lua_State *L) {
	struct reef_netpack **queue = to_queue(L);
	if (queue && *queue)
		reef_netpack_clear(*queue);
	return 0;
}

static int netpack_collect(lua_State *L) {
	struct reef_netpack **queue = luaL_checkudata(L, 1, QUEUE);
	if (*queue)
		reef_netpack_delete(*queue);
	*queue = NULL;
	return 0;
}

/* The queue at index 1, made if there is none yet. */
static struct reef_netpack *check_queue(lua_State *L) {
	struct reef_netpack **queue = to_queue(L);
	if (queue) {
		luaL_argcheck(L, *queue != NULL, 1, "this queue was collected");
		return *queue;
	}
	queue = lua_newuserdatauv(L, sizeof *queue, 0);
	*queue = NULL;
	if (luaL_newmetatable(L, QUEUE)) {
		lua_pushcfunction(L, netpack_collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	*queue = reef_netpack_new(2, MOST);
	lua_replace(L, 1);
	return *queue;
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
		struct reef_netpack *queue = check_queue(L);
		lua_settop(L, 1);
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
			reef_netpack_forget(check_queue(L), event->id);
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
	struct reef_netpack **queue = to_queue(L);
	struct reef_packet packet;
	if (queue == NULL || *queue == NULL || !reef_netpack_pop(*queue, &packet))
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
