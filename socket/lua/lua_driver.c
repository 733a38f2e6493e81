/* `skynet.socketdriver`: sockets for services that dispatch socket messages themselves; and buffers for what they
 * receive. Arguments called `pool` in the API have no use here and may be anything. */
#include "lua_driver.h"

#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "core/alloc.h"
#include "core/host/name_check.h"
#include "lua_common.h"
#include "lua_names.h"
#include "raw.h"
#include "socket/listen.h"
#include "socket/udp.h"

#define BUFFER "reef.socket.buffer"

static int check_id(lua_State *L) {
	return (int)luaL_checkinteger(L, 1);
}

static int push_id(lua_State *L, int id, const char *error) {
	if (id == 0)
		return luaL_error(L, "%s", error);
	lua_pushinteger(L, id);
	return 1;
}

/* ---- sockets ---- */

static int driver_connect(lua_State *L) {
	const char *error;
	int id = reef_socket_open(reef_lua_common_host(L, 1), reef_lua_common_port(L, 2), 0, &reef_raw_sink, NULL, &error);
	return push_id(L, id, error);
}

/* Tells the service where it listens. */
static int driver_listen(lua_State *L) {
	const char *host = reef_lua_common_host(L, 1), *error;
	int port = reef_lua_common_port(L, 2);
	int id = reef_listen_open(host, port, (int)luaL_optinteger(L, 3, 32), NULL, NULL, &error);
	if (id == 0 && port < 0)
		return luaL_error(L, "%s: %s: Listen error", host, error);
	if (id == 0)
		return luaL_error(L, "%s:%d: %s: Listen error", host, port, error);
	reef_listen_announce(id, &reef_raw_sink, NULL);
	lua_pushinteger(L, id);
	return 1;
}

static int driver_start(lua_State *L) {
	int id = check_id(L);
	const char *error = reef_socket_start(id, &reef_raw_sink, NULL, true);
	if (error)
		reef_raw_send(REEF_EVENT_ERROR, id, 0, error);
	return 0;
}

static int driver_bind(lua_State *L) {
	const char *error;
	int id = reef_socket_bind_fd((int)luaL_checkinteger(L, 1), &reef_raw_sink, NULL, &error);
	return push_id(L, id, error);
}

static int driver_close(lua_State *L) {
	reef_socket_close(check_id(L));
	return 0;
}

static int driver_shutdown(lua_State *L) {
	reef_socket_shutdown(check_id(L));
	return 0;
}

static int driver_pause(lua_State *L) {
	reef_socket_pause(check_id(L));
	return 0;
}

static int driver_nodelay(lua_State *L) {
	lua_pushboolean(L, reef_socket_nodelay(check_id(L), true));
	return 1;
}

static int driver_send(lua_State *L) {
	return reef_lua_common_write(L, REEF_NORMAL);
}

static int driver_lsend(lua_State *L) {
	return reef_lua_common_write(L, REEF_LOW);
}

/* ---- UDP ---- */

static int driver_udp(lua_State *L) {
	const char *error;
	const char *host = lua_isnoneornil(L, 1) ? NULL : reef_lua_common_host(L, 1);
	int id = reef_udp_open(host, reef_lua_common_port(L, 2), &reef_raw_sink, NULL, &error);
	return push_id(L, id, error);
}

static int driver_udp_listen(lua_State *L) {
	reef_check_name(L, 1);
	return driver_udp(L);
}

static int driver_udp_dial(lua_State *L) {
	const char *error;
	int id = reef_udp_dial(reef_lua_common_host(L, 1), reef_lua_common_port(L, 2), &reef_raw_sink, NULL, &error);
	return push_id(L, id, error);
}

static int driver_udp_connect(lua_State *L) {
	const char *error = reef_udp_connect(check_id(L), reef_lua_common_host(L, 2), reef_lua_common_port(L, 3));
	if (error)
		return luaL_error(L, "%s: udp connect failed", error);
	return 0;
}

/* ---- messages ---- */

/* (message, size) -> type, id, ud, bytes or text, address of a datagram. The bytes belong to the caller. */
static int driver_unpack(lua_State *L) {
	luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	struct reef_socket_message *event = lua_touserdata(L, 1);
	size_t size = (size_t)luaL_checkinteger(L, 2);
	if (event == NULL || size < sizeof *event)
		return luaL_error(L, "not a socket message");
	lua_pushinteger(L, event->type);
	lua_pushinteger(L, event->id);
	lua_pushinteger(L, event->ud);
	const char *text = (const char *)(event + 1);
	size_t n = size - sizeof *event;
	if (event->buffer) {
		lua_pushlightuserdata(L, event->buffer);
		if (event->type != REEF_EVENT_UDP)
			return 4;
		lua_pushlstring(L, text, n);
		return 5;
	}
	lua_pushlstring(L, text, n);
	return 4;
}

/* (bytes, size): frees them. */
static int driver_drop(lua_State *L) {
	luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	reef_free(lua_touserdata(L, 1));
	return 0;
}

/* (string) -> block, size */
static int driver_str2p(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	void *block = reef_try_malloc(n ? n : 1);
	if (block == NULL)
		return luaL_error(L, "not enough memory");
	memcpy(block, text, n);
	lua_pushlightuserdata(L, block);
	lua_pushinteger(L, (lua_Integer)n);
	return 2;
}

/* ---- buffers ---- */

static struct reef_buffer *check_buffer(lua_State *L) {
	return luaL_checkudata(L, 1, BUFFER);
}

static int driver_clear(lua_State *L) {
	if (lua_isnil(L, 1))
		return 0;
	reef_buffer_clear(check_buffer(L));
	return 0;
}

static int driver_buffer(lua_State *L) {
	struct reef_buffer *b = lua_newuserdatauv(L, sizeof *b, 0);
	memset(b, 0, sizeof *b);
	if (luaL_newmetatable(L, BUFFER)) {
		lua_pushcfunction(L, driver_clear);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return 1;
}

/* (buffer, pool, bytes, size) -> bytes in the buffer. Takes the bytes. */
static int driver_push(lua_State *L) {
	struct reef_buffer *b = check_buffer(L);
	luaL_checktype(L, 3, LUA_TLIGHTUSERDATA);
	lua_Integer n = luaL_checkinteger(L, 4);
	luaL_argcheck(L, n >= 0, 4, "negative size");
	void *bytes = lua_touserdata(L, 3);
	bool ok = reef_buffer_append(b, bytes, (size_t)n);
	reef_free(bytes);
	if (!ok)
		return luaL_error(L, "not enough memory");
	lua_pushinteger(L, (lua_Integer)reef_buffer_size(b));
	return 1;
}

/* The first n bytes as a string; skips `more`. */
static void push_front(lua_State *L, struct reef_buffer *b, size_t n, size_t more) {
	lua_pushlstring(L, reef_buffer_bytes(b), n);
	reef_buffer_drop(b, n + more);
}

/* (buffer, pool, n) -> string or nil, bytes left */
static int driver_pop(lua_State *L) {
	struct reef_buffer *b = check_buffer(L);
	lua_Integer n = luaL_checkinteger(L, 3);
	if (n <= 0 || (size_t)n > reef_buffer_size(b))
		lua_pushnil(L);
	else
		push_front(L, b, (size_t)n, 0);
	lua_pushinteger(L, (lua_Integer)reef_buffer_size(b));
	return 2;
}

static int driver_readall(lua_State *L) {
	struct reef_buffer *b = check_buffer(L);
	push_front(L, b, reef_buffer_size(b), 0);
	return 1;
}

/* (buffer, pool, separator) -> line or nil; without a pool: is there a line? */
static int driver_readline(lua_State *L) {
	struct reef_buffer *b = check_buffer(L);
	size_t size, scanned = 0;
	const char *separator = luaL_optlstring(L, 3, "\n", &size);
	luaL_argcheck(L, size > 0, 3, "empty separator");
	size_t n = reef_buffer_find(reef_buffer_bytes(b), reef_buffer_size(b), separator, size, &scanned);
	if (lua_isnil(L, 2)) {
		lua_pushboolean(L, n != SIZE_MAX);
		return 1;
	}
	if (n == SIZE_MAX)
		return 0;
	push_front(L, b, n, size);
	return 1;
}

int reef_lua_driver_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"connect", driver_connect},
			{"listen", driver_listen},
			{"start", driver_start},
			{"bind", driver_bind},
			{"close", driver_close},
			{"shutdown", driver_shutdown},
			{"pause", driver_pause},
			{"nodelay", driver_nodelay},
			{"send", driver_send},
			{"lsend", driver_lsend},
			{"udp", driver_udp},
			{"udp_listen", driver_udp_listen},
			{"udp_dial", driver_udp_dial},
			{"udp_connect", driver_udp_connect},
			{"udp_send", reef_lua_common_udp_send},
			{"udp_address", reef_lua_common_udp_address},
			{"unpack", driver_unpack},
			{"drop", driver_drop},
			{"str2p", driver_str2p},
			{"buffer", driver_buffer},
			{"push", driver_push},
			{"pop", driver_pop},
			{"readall", driver_readall},
			{"readline", driver_readline},
			{"clear", driver_clear},
			{"header", reef_lua_common_header},
			{"info", reef_lua_common_info},
			{"resolve", reef_lua_names_resolve},
			{NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
