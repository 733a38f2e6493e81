/* Tasks that wait for helper threads: see task_await.h.
 *
 * What the task waits with and what the thread works on are two blocks: the service frees the first one, whoever has the
 * work last the second. */
#include "task_await.h"

#include <errno.h>
#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/await.h"
#include "host.h"
#include "host_private.h"
#include "task.h"

struct task_await {
	struct reef_wait wait; /* first: a wait is its task_await */
	struct reef_task *task;
	struct reef_host *host;
	const char *what;
	uint64_t number;
	int32_t timer;
};

struct task_await_job {
	const struct reef_task_work *work;
	void *ud;
	struct task_await *waiter; /* good in `done` alone */
};

static void task_await_free(struct task_await *waiter) {
	if (waiter->timer)
		reef_host_timer_cancel(waiter->host, waiter->timer);
	reef_free(waiter);
}

static void task_await_cancel(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	struct task_await *waiter = (struct task_await *)wait;
	reef_await_cancel(waiter->number);
	task_await_free(waiter);
}

static void task_await_late(struct reef_host *host, void *ud) {
	(void)host;
	struct task_await *waiter = ud;
	struct reef_task *task = waiter->task;
	waiter->timer = 0;
	reef_await_cancel(waiter->number);
	lua_pushfstring(reef_task_thread(task), "%s: not done in time", waiter->what);
	task_await_free(waiter);
	reef_task_fail(task);
}

static void job_on_helper(void *ud) {
	struct task_await_job *job = ud;
	job->work->run(job->ud);
}

static void job_free(void *ud) {
	struct task_await_job *job = ud;
	job->work->drop(job->ud);
	reef_free(job);
}

static int push_results(lua_State *L) {
	struct task_await_job *job = lua_touserdata(L, 1);
	lua_settop(L, 0);
	return job->work->results(L, job->ud);
}

static void job_over(struct skynet_context *context, void *ud) {
	(void)context;
	struct task_await_job *job = ud;
	struct reef_task *task = job->waiter->task;
	lua_State *L = reef_host_main(job->waiter->host), *thread = reef_task_thread(task);
	task_await_free(job->waiter);
	int top = lua_gettop(L);
	lua_pushcfunction(L, push_results);
	lua_pushlightuserdata(L, job);
	int status = lua_pcall(L, 1, LUA_MULTRET, 0);
	job_free(job);
	int n = lua_gettop(L) - top;
	if (!lua_checkstack(thread, n)) {
		lua_settop(L, top);
		status = LUA_ERRMEM;
		lua_pushliteral(L, "too many results");
		n = 1;
	}
	lua_xmove(L, thread, n);
	if (status == LUA_OK)
		reef_task_resume(task, n);
	else
		reef_task_fail(task);
}

static const struct reef_await_work job_work = {.run = job_on_helper, .done = job_over, .drop = job_free};

int reef_task_await(lua_State *L, const struct reef_task_work *work, void *ud, uint64_t deadline_ns) {
	if (reef_host_get(L)->running == NULL || !lua_isyieldable(L))
		work->drop(ud); /* the next line raises */
	struct reef_task *task = reef_task_running(L);
	struct task_await *waiter = reef_calloc(1, sizeof *waiter);
	waiter->wait = (struct reef_wait){.cancel = task_await_cancel, .what = work->what};
	waiter->task = task;
	waiter->host = reef_host_of(L);
	waiter->what = work->what;
	struct task_await_job *job = reef_calloc(1, sizeof *job);
	*job = (struct task_await_job){.work = work, .ud = ud, .waiter = waiter};
	waiter->number = reef_await((struct skynet_context *)reef_host_service(waiter->host), &job_work, job);
	if (waiter->number == 0) {
		int error = errno;
		job_free(job);
		reef_free(waiter);
		return luaL_error(L, "%s: no thread: %s", work->what, strerror(error));
	}
	if (deadline_ns)
		waiter->timer = reef_host_timer_add(waiter->host, deadline_ns, task_await_late, waiter);
	return reef_task_suspend(L, &waiter->wait);
}

static int await_count(lua_State *L) {
	unsigned running, waiting;
	reef_await_count(&running, &waiting);
	lua_pushinteger(L, running);
	lua_pushinteger(L, waiting);
	return 2;
}

int reef_open_await(lua_State *L) {
	static const luaL_Reg functions[] = {{"count", await_count}, {NULL, NULL}};
	reef_host_new_library(L, functions, 0);
	return 1;
}
