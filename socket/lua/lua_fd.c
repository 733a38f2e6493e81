/* `reef.fd.core`: coroutines that wait for descriptors of others (fd/fd.h). A waiter is a userdata that the Lua half keeps
 * and uses again; while somebody waits it lies on that coroutine's stack. Results are numbers, since a VM without memory
 * could not be given a text. */
#include "lua_fd.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "core/clock.h"
#include "core/host/host.h"
#include "socket/fd/fd_wait.h"

#define WAITER "reef.fd.waiter"
#define CS_NS 10000000u

struct lua_wait {
	struct reef_fd_waiter waiter; /* first */
	struct reef_wait wait;
	struct reef_task *task; /* NULL: nobody waits */
};

static void fd_done(struct reef_fd_waiter *waiter, int result) {
	struct lua_wait *w = (struct lua_wait *)waiter;
	struct reef_task *task = w->task;
	w->task = NULL;
	lua_pushinteger(reef_task_thread(task), result);
	reef_task_resume(task, 1);
}

static void fd_cancel(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	struct lua_wait *w = (struct lua_wait *)(void *)((char *)wait - offsetof(struct lua_wait, wait));
	w->task = NULL;
	reef_fd_wait_end(&w->waiter);
}

/* What it keeps between two waits: a job, and a timer that knows it. */
static int fd_collect(lua_State *L) {
	struct lua_wait *w = luaL_checkudata(L, 1, WAITER);
	w->task = NULL;
	reef_fd_wait_end(&w->waiter);
	return 0;
}

/* () -> waiter */
static int fd_new(lua_State *L) {
	struct lua_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
	memset(w, 0, sizeof *w);
	w->waiter.done = fd_done;
	w->waiter.host = reef_host_of(L);
	w->wait = (struct reef_wait){.cancel = fd_cancel, .what = "descriptor"};
	if (luaL_newmetatable(L, WAITER)) {
		lua_pushcfunction(L, fd_collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return 1;
}

/* (waiter, descriptor, events, cs) -> events that are ready, 0 when it is too late, or a negative errno */
static int fd_wait(lua_State *L) {
	struct lua_wait *w = luaL_checkudata(L, 1, WAITER);
	lua_Integer fd = luaL_checkinteger(L, 2), events = luaL_checkinteger(L, 3);
	lua_Number cs = luaL_checknumber(L, 4);
	luaL_argcheck(L, cs >= 0 && cs < 1e12, 4, "timeout out of range");
	luaL_argcheck(L, events >= 1 && events <= (REEF_FD_READ | REEF_FD_WRITE), 3, "nothing to wait for");
	luaL_argcheck(L, w->task == NULL, 1, "another coroutine waits with it");
	struct reef_task *task = reef_task_running(L);
	uint64_t deadline = reef_now_ns() + (uint64_t)(cs * CS_NS);
	int error = fd < 0 || fd > INT_MAX ? EBADF : reef_fd_wait(&w->waiter, (int)fd, (int)events, deadline);
	if (error != 0) {
		lua_pushinteger(L, -error);
		return 1;
	}
	w->task = task;
	return reef_task_suspend(L, &w->wait);
}

/* (errno) -> text */
static int fd_strerror(lua_State *L) {
	const char *text = strerrordesc_np((int)luaL_checkinteger(L, 1));
	lua_pushstring(L, text ? text : "unknown error");
	return 1;
}

int reef_lua_fd_open(lua_State *L) {
	static const luaL_Reg functions[] = {{"new", fd_new}, {"wait", fd_wait}, {"strerror", fd_strerror}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
