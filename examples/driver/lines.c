/* A driver outside the tree: the Lua module `lines`, which asks servers that answer a line with a line.
 *
 *     local line, reason = lines.ask(host, port, text, seconds)
 *
 * The coroutine waits, its service goes on. Each request has a connection of its own, owned by the struct below, which
 * lives until the coroutine goes on or is ended. Everything runs in the slice of the service that asked. */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/host/host.h"
#include "core/host/task.h"
#include "socket/socket.h"

enum { MAX_LINE = 64 * 1024 };

struct request {
	struct reef_wait wait;
	struct reef_task *task;
	struct reef_host *host;
	int socket;
	int32_t timer;
	size_t text_size, line_size;
	char *text; /* what is asked, with its newline */
	char line[MAX_LINE];
};

/* Nothing is heard of the request any more. */
static void request_delete(struct request *r) {
	reef_socket_abandon(r->socket);
	reef_socket_close(r->socket);
	if (r->timer)
		reef_host_timer_cancel(r->host, r->timer);
	reef_free(r->text);
	reef_free(r);
}

/* The coroutine is ended while it waits. */
static void request_cancel(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	request_delete((struct request *)wait);
}

/* Goes on with the coroutine: the line, or nil and why not. */
static void request_finish(struct request *r, size_t n, const char *reason) {
	struct reef_task *task = r->task;
	lua_State *L = reef_task_thread(task);
	if (reason) {
		lua_pushnil(L);
		lua_pushstring(L, reason);
	} else {
		lua_pushlstring(L, r->line, n);
	}
	request_delete(r);
	reef_task_resume(task, reason ? 2 : 1);
}

static void on_timeout(struct reef_host *host, void *ud) {
	(void)host;
	struct request *r = ud;
	r->timer = 0;
	request_finish(r, 0, "no answer in time");
}

static void on_opened(void *ud, int id, const char *peer) {
	(void)peer;
	struct request *r = ud;
	reef_socket_write(id, r->text, r->text_size, REEF_NORMAL);
}

static void on_data(void *ud, int id, const char *bytes, size_t n) {
	(void)id;
	struct request *r = ud;
	size_t room = MAX_LINE - r->line_size;
	memcpy(r->line + r->line_size, bytes, n < room ? n : room);
	r->line_size += n < room ? n : room;
	const char *end = memchr(r->line, '\n', r->line_size);
	if (end)
		request_finish(r, (size_t)(end - r->line), NULL);
	else if (r->line_size == MAX_LINE)
		request_finish(r, 0, "the line is too long");
}

static void on_closed(void *ud, int id) {
	(void)id;
	request_finish(ud, 0, "the server has closed the connection");
}

static void on_failed(void *ud, int id, int error, const char *text) {
	(void)id;
	(void)error;
	request_finish(ud, 0, text);
}

/* ask(host, port, text, seconds) -> line, or nil and the reason */
static int lines_ask(lua_State *L) {
	static const struct reef_sink sink = {
			.opened = on_opened, .data = on_data, .closed = on_closed, .failed = on_failed};
	const char *host = luaL_checkstring(L, 1);
	int port = (int)luaL_checkinteger(L, 2);
	size_t size;
	const char *text = luaL_checklstring(L, 3, &size), *error = NULL;
	lua_Number seconds = luaL_checknumber(L, 4);
	luaL_argcheck(L, seconds > 0 && seconds < 1e6, 4, "not a time to wait for");
	uint64_t deadline = reef_now_ns() + (uint64_t)(seconds * 1e9);
	struct reef_task *task = reef_task_running(L);

	struct request *r = reef_calloc(1, sizeof(*r));
	r->socket = reef_socket_open(host, port, deadline, &sink, r, &error);
	if (r->socket == 0) {
		reef_free(r);
		return luaL_error(L, "%s", error);
	}
	r->wait.cancel = request_cancel;
	r->wait.what = "a line";
	r->task = task;
	r->host = reef_host_of(L);
	r->text = reef_malloc(size + 1);
	memcpy(r->text, text, size);
	r->text[size] = '\n';
	r->text_size = size + 1;
	r->timer = reef_host_timer_add(r->host, deadline, on_timeout, r);
	return reef_task_suspend(L, &r->wait);
}

int luaopen_lines(lua_State *L);

int luaopen_lines(lua_State *L) {
	static const luaL_Reg functions[] = {{"ask", lines_ask}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
