/* `reef.socketcore`: the C half of `reef.socket`. What is called for every packet is here and exported as it is; the
 * rest of the library is Lua on top of this. Upvalue 1 of all functions is the VM's table of readers. */
#include "lua_core.h"
#include "core/clock.h"

#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/service.h"
#include "lua_common.h"
#include "lua_names.h"
#include "lua_tls.h"
#include "reader.h"
#include "readers.h"
#include "socket/listen.h"
#include "socket/names/endpoint.h"
#include "socket/udp.h"

#define CS_NS 10000000u

#define IN_USE "socket %d: another coroutine %s it: assertion failed!"

/* The reader of the id at index 1; NULL: this service does not know it. */
static struct reef_reader *reader_at(lua_State *L) {
	lua_rawgeti(L, lua_upvalueindex(1), luaL_checkinteger(L, 1));
	struct reef_reader *r = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return r;
}

/* The same for somebody who is going to read. */
static struct reef_reader *free_reader_at(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r == NULL)
		luaL_error(L, "this service has no socket %s: assertion failed!", luaL_tolstring(L, 1, NULL));
	if (r->task)
		luaL_error(L, IN_USE, r->id, "reads from");
	return r;
}

/* ---- reading ---- */

static int socket_read(lua_State *L) {
	struct reef_reader *r = free_reader_at(L);
	if (lua_isnoneornil(L, 2)) {
		r->want = REEF_WANT_SOME;
		return reef_reader_read(L, r);
	}
	lua_Integer n = luaL_checkinteger(L, 2);
	luaL_argcheck(L, n >= 0, 2, "negative size");
	r->want = REEF_WANT_EXACT;
	r->need = (size_t)n;
	return reef_reader_read(L, r);
}

static int socket_readline(lua_State *L) {
	struct reef_reader *r = free_reader_at(L);
	size_t size;
	const char *separator = luaL_optlstring(L, 2, "\n", &size);
	luaL_argcheck(L, size > 0, 2, "empty separator");
	if (r->separator && r->separator != r->separator_space)
		reef_free(r->separator);
	r->separator = size <= sizeof r->separator_space ? r->separator_space : reef_try_malloc(size);
	if (r->separator == NULL)
		return luaL_error(L, "not enough memory");
	memcpy(r->separator, separator, size);
	r->separator_size = size;
	r->scanned = 0;
	r->want = REEF_WANT_LINE;
	return reef_reader_read(L, r);
}

static int socket_readall(lua_State *L) {
	struct reef_reader *r = free_reader_at(L);
	r->want = REEF_WANT_ALL;
	return reef_reader_read(L, r);
}

static int socket_block(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r == NULL || !r->connected) {
		lua_pushboolean(L, 0);
		return 1;
	}
	if (r->task)
		return luaL_error(L, IN_USE, r->id, "reads from");
	r->want = REEF_WANT_NEWS;
	return reef_reader_read(L, r);
}

static int socket_write(lua_State *L) {
	return reef_lua_common_write(L, REEF_NORMAL);
}

static int socket_lwrite(lua_State *L) {
	return reef_lua_common_write(L, REEF_LOW);
}

/* ---- opening ---- */

static int push_failure(lua_State *L, const char *error) {
	lua_pushnil(L);
	lua_pushstring(L, error);
	return 2;
}

/* A reader for a socket that exists already in this moment; pushed. */
static struct reef_reader *new_reader(lua_State *L) {
	struct reef_reader *r = reef_reader_new(L);
	r->connected = true;
	return r;
}

/* (host, port or nil, timeout in cs or nil, TLS target or nil) -> id, or nil and why not */
static int socket_open(lua_State *L) {
	const char *host = reef_lua_common_host(L, 1), *error;
	int port = reef_lua_common_port(L, 2);
	uint64_t deadline = 0;
	if (!lua_isnoneornil(L, 3)) {
		lua_Number cs = luaL_checknumber(L, 3);
		luaL_argcheck(L, cs > 0 && cs < 1e12, 3, "timeout out of range");
		deadline = reef_now_ns() + (uint64_t)(cs * CS_NS);
	}
	const struct reef_tls_target *tls = reef_lua_tls_target(L, 4);
	reef_task_running(L);
	struct reef_reader *r = reef_reader_new(L);
	r->id = reef_socket_open(host, port, deadline, &reef_reader_sink, r, &error);
	if (r->id == 0)
		return push_failure(L, error);
	if (tls)
		(void)reef_socket_use_tls(r->id, tls, NULL, 0);
	reef_readers_anchor(L, r, -1);
	r->want = REEF_WANT_OPEN;
	return reef_reader_suspend(L, r, "socket open");
}

/* (host, port or nil, backlog, TLS target or nil) -> id, ip, port; or nil and why not */
static int socket_listen(lua_State *L) {
	const char *host = reef_lua_common_host(L, 1), *error;
	int port = reef_lua_common_port(L, 2), real_port = 0;
	char ip[REEF_ADDRESS_SIZE] = "";
	const struct reef_tls_target *tls = reef_lua_tls_target(L, 4);
	struct reef_reader *r = new_reader(L);
	r->listener = true;
	r->id = reef_listen_open(host, port, (int)luaL_optinteger(L, 3, 32), ip, &real_port, &error);
	if (r->id == 0)
		return push_failure(L, error);
	if (tls)
		(void)reef_socket_use_tls(r->id, tls, NULL, 0);
	reef_readers_anchor(L, r, -1);
	lua_pushinteger(L, r->id);
	lua_pushstring(L, ip);
	lua_pushinteger(L, real_port);
	return 3;
}

/* (host, port or nil) -> name, port when there is a name to be resolved; else nothing */
static int socket_name(lua_State *L) {
	struct reef_endpoint endpoint;
	if (reef_endpoint_parse(&endpoint, reef_lua_common_host(L, 1), reef_lua_common_port(L, 2)) != NULL ||
		endpoint.literal)
		return 0;
	lua_pushstring(L, endpoint.host);
	lua_pushinteger(L, endpoint.port);
	return 2;
}

/* (id, wait): with `wait`, for the end of a TLS handshake -> id; or nil and why not */
static int socket_start(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r && r->started)
		return luaL_error(L, "socket is not closed");
	int id = (int)luaL_checkinteger(L, 1);
	if (r == NULL) {
		r = new_reader(L);
		r->id = id;
		reef_readers_anchor(L, r, -1);
	}
	bool wait = lua_toboolean(L, 2);
	if (wait)
		reef_task_running(L);
	const char *error = reef_socket_start(id, &reef_reader_sink, r, wait);
	if (error) {
		reef_readers_forget(L, r);
		return push_failure(L, error);
	}
	r->started = true;
	if (wait) {
		r->want = REEF_WANT_OPEN;
		return reef_reader_suspend(L, r, "tls handshake");
	}
	lua_pushinteger(L, id);
	return 1;
}

/* (id, TLS target) -> id when the handshake is done; or nil and why not */
static int socket_use_tls(lua_State *L) {
	struct reef_reader *r = free_reader_at(L);
	const struct reef_tls_target *tls = reef_lua_tls_target(L, 2);
	luaL_argexpected(L, tls != NULL, 2, "TLS target");
	reef_task_running(L);
	if (r->connected && !reef_socket_use_tls(r->id, tls, reef_buffer_bytes(&r->buffer), reef_buffer_size(&r->buffer)))
		return push_failure(L, "tls: a connection that cannot go over to TLS");
	if (!r->connected)
		return push_failure(L, "socket closed");
	reef_buffer_clear(&r->buffer);
	r->paused = false;
	r->want = REEF_WANT_OPEN;
	return reef_reader_suspend(L, r, "tls handshake");
}

/* (os fd) -> id; or nil and why not */
static int socket_bind(lua_State *L) {
	const char *error;
	struct reef_reader *r = new_reader(L);
	r->started = true;
	r->id = reef_socket_bind_fd((int)luaL_checkinteger(L, 1), &reef_reader_sink, r, &error);
	if (r->id == 0)
		return push_failure(L, error);
	reef_readers_anchor(L, r, -1);
	lua_pushinteger(L, r->id);
	return 1;
}

/* ---- flow, state, ends ---- */

static int socket_pause(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r == NULL || r->paused || !r->connected)
		return 0;
	r->paused = true;
	reef_log(reef_service_handle(reef_host_service(r->host)), "Pause socket (%d)", r->id);
	reef_socket_pause(r->id);
	return 0;
}

static int socket_limit(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	lua_Integer limit = luaL_checkinteger(L, 2);
	if (r)
		r->limit = limit > 0 ? (size_t)limit : 0;
	return 0;
}

static int socket_linger(lua_State *L) {
	lua_Number cs = luaL_checknumber(L, 2);
	luaL_argcheck(L, cs >= 0 && cs < 1e12, 2, "out of range");
	reef_socket_set_linger((int)luaL_checkinteger(L, 1), (uint64_t)(cs * CS_NS));
	return 0;
}

/* (id, wanted): shall the end be announced to Lua before readers hear of it? */
static int socket_notify_close(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r)
		r->on_close = lua_toboolean(L, 2) && r->connected;
	return 0;
}

/* (id): wakes the readers of a socket whose end has been announced. */
static int socket_finish(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r)
		reef_reader_finish(r, false);
	return 0;
}

static int socket_abandon(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r == NULL)
		return 0;
	reef_socket_abandon(r->id);
	reef_readers_forget(L, r);
	reef_reader_abandon(r);
	return 0;
}

/* Ends the socket; waits until whoever reads has got his leftovers and the end is known. */
static int socket_close(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r == NULL)
		return 0;
	uint32_t owner = reef_socket_owner(r->id), me = reef_service_handle(reef_host_service(r->host));
	if (owner != 0 && owner != me) {
		/* Another service has started it since: it hears of the end, we would wait for ever. */
		reef_reader_abandon(r);
		return 0;
	}
	if (!r->connected || r->listener || !lua_isyieldable(L)) {
		reef_reader_abandon(r);
		reef_socket_abandon(r->id);
		reef_socket_close(r->id);
		return 0;
	}
	if (r->closer)
		return luaL_error(L, IN_USE, r->id, "closes");
	reef_task_running(L);
	reef_socket_close(r->id);
	return reef_reader_suspend_closer(L, r);
}

/* (id): the last step of close. */
static int socket_forget(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r)
		reef_readers_forget(L, r);
	return 0;
}

static int socket_close_fd(lua_State *L) {
	if (reader_at(L))
		return luaL_error(L, "socket %d is this service's own, for socket.close: assertion failed!",
						  (int)lua_tointeger(L, 1));
	reef_socket_close((int)luaL_checkinteger(L, 1));
	return 0;
}

static int socket_shutdown(lua_State *L) {
	if (reader_at(L))
		reef_socket_shutdown((int)luaL_checkinteger(L, 1));
	return 0;
}

static int socket_invalid(lua_State *L) {
	lua_pushboolean(L, reader_at(L) == NULL);
	return 1;
}

static int socket_disconnected(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	if (r == NULL)
		return 0;
	lua_pushboolean(L, !r->connected);
	return 1;
}

/* (id): bytes that have come and nobody has read. */
static int socket_buffered(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	lua_pushinteger(L, r ? (lua_Integer)reef_buffer_size(&r->buffer) : 0);
	return 1;
}

/* (id): has the connection ended by an error, so that there may have been more? */
static int socket_broken(lua_State *L) {
	struct reef_reader *r = reader_at(L);
	lua_pushboolean(L, r && r->broken);
	return 1;
}

/* ---- UDP: (host, port) -> id; or nil and why not ---- */

static int new_udp(lua_State *L, bool dial) {
	const char *host = lua_isnoneornil(L, 1) ? NULL : reef_lua_common_host(L, 1), *error;
	int port = reef_lua_common_port(L, 2);
	struct reef_reader *r = new_reader(L);
	r->started = true;
	r->id = dial ? reef_udp_dial(reef_lua_common_host(L, 1), port, &reef_reader_sink, r, &error)
				 : reef_udp_open(host, port, &reef_reader_sink, r, &error);
	if (r->id == 0)
		return push_failure(L, error);
	reef_readers_anchor(L, r, -1);
	lua_pushinteger(L, r->id);
	return 1;
}

static int socket_udp_open(lua_State *L) {
	return new_udp(L, false);
}

static int socket_udp_dial(lua_State *L) {
	return new_udp(L, true);
}

/* (id, host, port) -> true; or nil and why not */
static int socket_udp_connect(lua_State *L) {
	const char *error =
			reef_udp_connect((int)luaL_checkinteger(L, 1), reef_lua_common_host(L, 2), reef_lua_common_port(L, 3));
	if (error)
		return push_failure(L, error);
	lua_pushboolean(L, 1);
	return 1;
}

int reef_lua_core_set_notify(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	reef_readers_set_notify(L);
	return 0;
}

int reef_lua_core_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"read", socket_read},
			{"readline", socket_readline},
			{"readall", socket_readall},
			{"block", socket_block},
			{"write", socket_write},
			{"lwrite", socket_lwrite},
			{"name", socket_name},
			{"open", socket_open},
			{"listen", socket_listen},
			{"start", socket_start},
			{"use_tls", socket_use_tls},
			{"bind", socket_bind},
			{"pause", socket_pause},
			{"limit", socket_limit},
			{"linger", socket_linger},
			{"notify_close", socket_notify_close},
			{"finish", socket_finish},
			{"abandon", socket_abandon},
			{"close", socket_close},
			{"forget", socket_forget},
			{"close_fd", socket_close_fd},
			{"shutdown", socket_shutdown},
			{"invalid", socket_invalid},
			{"disconnected", socket_disconnected},
			{"broken", socket_broken},
			{"buffered", socket_buffered},
			{"udp_open", socket_udp_open},
			{"udp_dial", socket_udp_dial},
			{"udp_connect", socket_udp_connect},
			{"udp_send", reef_lua_common_udp_send},
			{"udp_address", reef_lua_common_udp_address},
			{"resolve", reef_lua_names_resolve},
			{"lookup", reef_lua_names_lookup},
			{"records", reef_lua_names_records},
			{"netstat", reef_lua_common_info},
			{"header", reef_lua_common_header},
			{"set_notify", reef_lua_core_set_notify},
			{NULL, NULL},
	};
	luaL_newlibtable(L, functions);
	reef_readers_push(L);
	luaL_setfuncs(L, functions, 1);
	return 1;
}
