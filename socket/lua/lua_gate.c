/* See lua_gate.h: one write to many sockets, and who has not been heard of for a while. */
#include "lua_gate.h"

#include "core/alloc.h"
#include "core/clock.h"
#include "core/message.h"
#include "lua_common.h"
#include "lua_netpack.h"
#include "netpack.h"
#include "socket/info.h"

#define CS_NS UINT64_C(10000000)
#define MOST_IDS 1024 /* of one answer */

/* (array of ids, data [, size]) -> how many took it. The bytes are in memory once, whoever takes long to read them. */
static int gate_broadcast(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer count = (lua_Integer)lua_rawlen(L, 1), taken = 0;
	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, 1, i);
		luaL_argcheck(L, lua_isinteger(L, -1), 1, "not an array of sockets");
		lua_pop(L, 1);
	}
	size_t n;
	void *block;
	const char *bytes = reef_lua_common_bytes(L, 2, &n, &block);
	struct reef_payload *payload = reef_payload_new(bytes, n);
	reef_free(block);
	if (payload == NULL)
		return luaL_error(L, "not enough memory to write %I bytes", (lua_Integer)n);
	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, 1, i);
		taken += reef_socket_write_shared((int)lua_tointeger(L, -1), payload);
		lua_pop(L, 1);
	}
	reef_payload_release(payload);
	lua_pushinteger(L, taken);
	return 1;
}

/* (id) -> when something was received last, on the scale of skynet.now; 0: never; nothing: no such socket */
static int gate_heard(lua_State *L) {
	struct reef_socket_info info;
	if (!reef_info_get((int)luaL_checkinteger(L, 1), &info))
		return 0;
	lua_pushinteger(L, (lua_Integer)info.rtime);
	return 1;
}

/* (queue of skynet.netpack, age in 1/100 s) -> array of those whose unfinished packet is older: not all, if they are many */
static int gate_unfinished(lua_State *L) {
	const struct reef_netpack *queue = reef_lua_netpack_queue(L, 1);
	lua_Integer age = luaL_checkinteger(L, 2);
	int ids[MOST_IDS];
	size_t count = queue ? reef_netpack_unfinished(queue, reef_coarse_ns() - (uint64_t)age * CS_NS, ids, MOST_IDS) : 0;
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushinteger(L, ids[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

int reef_lua_gate_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"broadcast", gate_broadcast},     {"heard", gate_heard},
			{"unfinished", gate_unfinished},   {"queue", reef_lua_netpack_new},
			{"route", reef_lua_netpack_route}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
