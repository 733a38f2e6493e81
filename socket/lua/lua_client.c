/* See lua_client.h. Such scripts are one main chunk, which cannot wait as services do: so connect, send and usleep block
 * the thread, up to a deadline, and recv and readstdin ask whether there is something. Sockets are descriptors of the
 * process, which the script owns. */
#include "lua_client.h"
#include "core/sim.h"

#include <errno.h>
#include <lauxlib.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/host/name_check.h"

#define WAIT_MS 30000
#define CHUNK 65536 /* bytes of one recv */
#define LINE 1024   /* bytes of a typed line, at least */
#define DESCRIPTORS 65536

/* Which descriptors are from here: others of the process are not a script's business. */
static atomic_bool own[DESCRIPTORS];

static bool wait_until_writable(int fd) {
	struct pollfd state = {.fd = fd, .events = POLLOUT};
	int ready = poll(&state, 1, WAIT_MS);
	if (ready == 0)
		errno = ETIMEDOUT;
	return ready > 0;
}

/* A connected descriptor, or -1 with errno. */
static int connect_to(const struct addrinfo *address) {
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
	socklen_t size = sizeof error;
	if (error == EINPROGRESS && (!wait_until_writable(fd) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0))
		error = errno;
	if (error == 0 && fd < DESCRIPTORS) {
		atomic_store(&own[fd], true);
		return fd;
	}
	close(fd);
	errno = error ? error : EMFILE;
	return -1;
}

/* (host, port) -> fd */
static int client_connect(lua_State *L) {
	if (reef_sim_on)
		reef_sim_refuse("a socket that makes its thread wait (client.socket)");
	const char *host = reef_check_name(L, 1);
	lua_Integer port = luaL_checkinteger(L, 2);
	char service[32];
	snprintf(service, sizeof service, "%lld", (long long)port);
	struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
	int failed = getaddrinfo(host, service, &hints, &list), fd = -1;
	for (struct addrinfo *address = list; address && fd < 0; address = address->ai_next)
		fd = connect_to(address);
	int error = errno;
	if (list)
		freeaddrinfo(list);
	if (fd < 0)
		return luaL_error(L, "Connect %s %I failed: %s", host, (LUAI_UACINT)port,
						  failed ? gai_strerror(failed) : strerrordesc_np(error));
	lua_pushinteger(L, fd);
	return 1;
}

static int check_descriptor(lua_State *L) {
	lua_Integer fd = luaL_checkinteger(L, 1);
	luaL_argcheck(L, fd >= 0 && fd < DESCRIPTORS && atomic_load(&own[fd]), 1, "not from connect, or closed");
	return (int)fd;
}

/* (fd) */
static int client_close(lua_State *L) {
	int fd = check_descriptor(L);
	if (atomic_exchange(&own[fd], false))
		close(fd);
	return 0;
}

/* (fd, string): comes back when the kernel has all of it */
static int client_send_all(lua_State *L) {
	int fd = check_descriptor(L);
	size_t n, sent = 0;
	const char *text = luaL_checklstring(L, 2, &n);
	while (sent < n) {
		ssize_t now = send(fd, text + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (now >= 0)
			sent += (size_t)now;
		else if (errno != EINTR && (errno != EAGAIN || !wait_until_writable(fd)))
			return luaL_error(L, "socket error: %s", strerrordesc_np(errno));
	}
	return 0;
}

/* (fd) -> string; nothing: nothing has come; "": the peer has closed */
static int client_recv(lua_State *L) {
	int fd = check_descriptor(L);
	luaL_Buffer buffer;
	char *bytes = luaL_buffinitsize(L, &buffer, CHUNK);
	ssize_t n;
	do
		n = recv(fd, bytes, CHUNK, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return luaL_error(L, "socket error: %s", strerrordesc_np(errno));
	luaL_pushresultsize(&buffer, (size_t)n);
	return 1;
}

/* (microseconds) */
static int client_usleep(lua_State *L) {
	lua_Integer us = luaL_checkinteger(L, 1);
	luaL_argcheck(L, us >= 0 && us <= UINT32_MAX, 1, "microseconds from 0 to 2^32 - 1");
	usleep((useconds_t)us);
	return 0;
}

/* () -> a line of standard input without its end; nothing: none has been typed, or there will be none. Upvalue 1 is what
 * has been read of the next one. */
static int client_readstdin(lua_State *L) {
	struct pollfd state = {.fd = STDIN_FILENO, .events = POLLIN};
	lua_pushvalue(L, lua_upvalueindex(1));
	while (true) {
		size_t n;
		const char *text = lua_tolstring(L, -1, &n);
		const char *end = memchr(text, '\n', n);
		char more[LINE];
		ssize_t got = end || poll(&state, 1, 0) <= 0 ? 0 : read(STDIN_FILENO, more, sizeof more);
		if (end) {
			lua_pushlstring(L, end + 1, n - (size_t)(end + 1 - text));
			lua_replace(L, lua_upvalueindex(1));
			lua_pushlstring(L, text, (size_t)(end - text));
			return 1;
		}
		if (got <= 0)
			break;
		lua_pushlstring(L, more, (size_t)got);
		lua_concat(L, 2);
	}
	lua_replace(L, lua_upvalueindex(1));
	return 0;
}

int reef_lua_client_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"connect", client_connect}, {"close", client_close},   {"send", client_send_all},
			{"recv", client_recv},       {"usleep", client_usleep}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	lua_pushliteral(L, "");
	lua_pushcclosure(L, client_readstdin, 1);
	lua_setfield(L, -2, "readstdin");
	return 1;
}
