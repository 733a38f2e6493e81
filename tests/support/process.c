/* Raw descriptors and sockets, as a C library would have them, for tests: require "test.process.core". */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ask(path, text) -> what comes back on that Unix socket until it ends | nil, error. For servers that answer at once. */
static int process_ask(lua_State *L) {
	size_t size;
	const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &size);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	luaL_argcheck(L, strlen(path) < sizeof a.sun_path, 1, "path too long for a Unix socket");
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 10};
	char reply[1024];
	size_t got = 0;
	ssize_t n = -1;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 && send(fd, text, size, MSG_NOSIGNAL) > 0)
		while ((n = read(fd, reply + got, sizeof reply - got)) > 0)
			got += (size_t)n;
	int e = errno;
	if (fd >= 0)
		close(fd);
	errno = e;
	if (n < 0)
		return luaL_fileresult(L, 0, path);
	lua_pushlstring(L, reply, got);
	return 1;
}

/* pair() -> two ends of a non-blocking connection | nil, error */
static int process_pair(lua_State *L) {
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		return luaL_fileresult(L, 0, NULL);
	lua_pushinteger(L, fds[0]);
	lua_pushinteger(L, fds[1]);
	return 2;
}

/* write_fd(fd, bytes) -> bytes written | nil, error, errno */
static int process_write_fd(lua_State *L) {
	size_t n;
	const char *bytes = luaL_checklstring(L, 2, &n);
	ssize_t sent = send((int)luaL_checkinteger(L, 1), bytes, n, MSG_NOSIGNAL);
	if (sent < 0)
		return luaL_fileresult(L, 0, NULL);
	lua_pushinteger(L, sent);
	return 1;
}

/* read_fd(fd) -> bytes, "" at the end | nil, error, errno */
static int process_read_fd(lua_State *L) {
	char bytes[65536];
	ssize_t n = read((int)luaL_checkinteger(L, 1), bytes, sizeof bytes);
	if (n < 0)
		return luaL_fileresult(L, 0, NULL);
	lua_pushlstring(L, bytes, (size_t)n);
	return 1;
}

/* move_fd(fd, number): the descriptor has that number from now on; what had it is closed. */
static int process_move_fd(lua_State *L) {
	int fd = (int)luaL_checkinteger(L, 1), number = (int)luaL_checkinteger(L, 2);
	bool ok = dup3(fd, number, O_CLOEXEC) >= 0;
	if (ok)
		close(fd);
	return luaL_fileresult(L, ok, NULL);
}

/* open_fd(path) -> fd | nil, error */
static int process_open_fd(lua_State *L) {
	int fd = open(luaL_checkstring(L, 1), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return luaL_fileresult(L, 0, NULL);
	lua_pushinteger(L, fd);
	return 1;
}

static int process_close_fd(lua_State *L) {
	return luaL_fileresult(L, close((int)luaL_checkinteger(L, 1)) == 0, NULL);
}

int luaopen_test_process_core(lua_State *L);

int luaopen_test_process_core(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"ask", process_ask},           {"pair", process_pair},
			{"write_fd", process_write_fd}, {"read_fd", process_read_fd},
			{"move_fd", process_move_fd},   {"open_fd", process_open_fd},
			{"close_fd", process_close_fd}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
