/* Tasks: the coroutines that the dispatcher runs.
 *
 * A task that waits is suspended by lua_yieldk with no values and state WAITING, from its own thread or from a user's
 * coroutine inside it. In the second case our coroutine.resume sees the state, marks the coroutine as blocked, and
 * yields as well, level by level; the results come back down the same way. A yield in any other state is a mistake of
 * the user's and ends the task.
 *
 * Everything belongs to the host; own slice only. */
#include "task.h"

#include <string.h>

#include <lauxlib.h>

#include "answer.h"
#include "core/cycles.h"
#include "core/log.h"
#include "core/service.h"
#include "host_private.h"
#include "profile.h"
#include "protocol.h"
#include "report.h"
#include "session.h"
#include "task_pool.h"
#include "trace.h"

/* ---- queues: singly linked, since each resumed task goes through one and a task is in one at most ---- */

static void queue_push(struct reef_task_queue *queue, struct reef_task *task) {
	task->next = NULL;
	if (queue->tail)
		queue->tail->next = task;
	else
		queue->head = task;
	queue->tail = task;
}

static struct reef_task *queue_pop(struct reef_task_queue *queue) {
	struct reef_task *task = queue->head;
	if (task) {
		queue->head = task->next;
		if (!queue->head)
			queue->tail = NULL;
	}
	return task;
}

static void queue_remove(struct reef_task_queue *queue, struct reef_task *task) {
	struct reef_task *before = NULL;
	for (struct reef_task *t = queue->head; t; before = t, t = t->next) {
		if (t != task)
			continue;
		if (before)
			before->next = t->next;
		else
			queue->head = t->next;
		if (queue->tail == t)
			queue->tail = before;
		return;
	}
}

/* ---- running ---- */

static void task_close(struct reef_task *task) {
	if (task->flags & TASK_TAGGED)
		reef_trace_forget(task);
	lua_State *L = task->L;
	reef_task_close_thread(L, task->host->active);
	lua_settop(L, 0);
	reef_task_pool_drop(task);
}

static void warn_forgotten(struct reef_task *task) {
	struct reef_host *host = task->host;
	lua_Debug ar = {.short_src = "?", .linedefined = 0};
	const struct reef_protocol *protocol = reef_protocol_by_id(host, task->ptype);
	if (protocol && protocol->dispatch) {
		lua_rawgeti(task->L, LUA_REGISTRYINDEX, protocol->dispatch);
		lua_getinfo(task->L, ">S", &ar);
	}
	if (!(task->flags & TASK_PASSED_ON))
		reef_answer_left_open(host, task->source, task->session, task->ptype);
	reef_log_at(REEF_LOG_WARN, host->handle, "Maybe forgot response session %d from :%08x : %s:%d", task->session,
				task->source, ar.short_src, ar.linedefined);
}

static void task_failed(struct reef_task *task) {
	struct reef_host *host = task->host;
	bool no_limit = host->no_limit;
	host->no_limit = true;
	if (task->flags & TASK_TAGGED)
		reef_trace_failed(task);
	/* skynet.exit where it cannot yield raises instead. */
	if (!host->exiting) {
		reef_report_add(host, task->L);
		size_t size = 0;
		const char *reason = lua_tolstring(host->L, -1, &size);
		reef_answer_error(task, reason, size);
		lua_pop(host->L, 1);
	}
	reef_answer_error(task, NULL, 0);
	host->no_limit = no_limit;
	if (task->state == TASK_WAITING)
		reef_task_cancel_wait(task);
	task_close(task);
}

static void task_stray(struct reef_task *task, int results) {
	bool no_limit = task->host->no_limit;
	task->host->no_limit = true;
	lua_pop(task->L, results);
	lua_pushliteral(task->L, "a coroutine of the dispatcher yields by itself: coroutine.yield belongs into a coroutine "
							 "that you make and resume");
	task->host->no_limit = no_limit;
	task_failed(task);
}

void reef_task_run(struct reef_task *task, int n) {
	struct reef_host *host = task->host;
	struct reef_task *outer = host->running;
	lua_State *active = host->active;
	lua_State *L = task->L;
	int results;
	bool no_limit = host->no_limit;
	host->no_limit = false;
	host->running = task;
	host->active = L;
	task->state = TASK_RUNNING;
	if (host->profiled)
		reef_profile_resumed(host, L);
	int status = lua_resume(L, host->from, n, &results);
	if (host->profiled)
		reef_profile_suspended(host, L);
	host->running = outer;
	host->active = active;
	host->no_limit = no_limit;
	if (status == LUA_YIELD) {
		host->last_waiter = task;
		if (task->state == TASK_WAITING)
			task->since = reef_cycles_coarse(reef_service_message_start(host->service));
		else
			task_stray(task, results);
		return;
	}
	if (status != LUA_OK) {
		task_failed(task);
		return;
	}
	if (task->state == TASK_WAITING)
		reef_task_cancel_wait(task);
	if (task->flags & TASK_OWES && task->session) {
		/* skynet.exit raises where it cannot yield, and that may have been caught. */
		if (host->exiting)
			reef_answer_error(task, NULL, 0);
		else
			warn_forgotten(task);
	}
	reef_task_pool_give_back(task);
}

static void tasks_run_woken(struct reef_host *host) {
	while (!host->exiting) {
		struct reef_task *task = queue_pop(&host->wakes);
		if (!task)
			task = queue_pop(&host->failures);
		if (!task)
			return;
		reef_task_run(task, task->results);
	}
}

void reef_task_turn(struct reef_host *host) {
	tasks_run_woken(host);
	struct reef_task *task;
	while (!host->exiting && (task = queue_pop(&host->forks))) {
		reef_task_run(task, lua_gettop(task->L) - 1);
		tasks_run_woken(host);
	}
	reef_task_pool_turn(host);
}

void reef_task_fork(struct reef_task *task) {
	task->state = TASK_READY;
	queue_push(&task->host->forks, task);
}

/* ---- waiting ---- */

struct reef_task *reef_task_running(lua_State *L) {
	struct reef_task *task = reef_host_get(L)->running;
	if (!task)
		luaL_error(L, "this function waits: call it from a coroutine of the service (after skynet.start)");
	if (!lua_isyieldable(L))
		luaL_error(L, "attempt to yield across a C-call boundary");
	return task;
}

lua_State *reef_task_thread(struct reef_task *task) {
	return task->L;
}

uint64_t reef_task_serial(const struct reef_task *task) {
	return task->serial;
}

bool reef_task_alive(struct reef_host *host, const struct reef_task *task, uint64_t serial) {
	(void)host;
	return task->serial == serial;
}

int reef_task_block(lua_State *L, struct reef_task *task, lua_KFunction k) {
	task->state = TASK_WAITING;
	return lua_yieldk(L, 0, lua_gettop(L), k);
}

static int task_resumed(lua_State *L, int status, lua_KContext base) {
	(void)status;
	struct reef_task *task = reef_host_get(L)->running;
	if (task->flags & TASK_FAIL) {
		task->flags &= (uint8_t)~TASK_FAIL;
		return lua_error(L);
	}
	return lua_gettop(L) - (int)base;
}

int reef_task_suspend(lua_State *L, struct reef_wait *wait) {
	struct reef_task *task = reef_host_get(L)->running;
	task->wait = wait;
	if (task->flags & TASK_TAGGED)
		reef_trace_wait(task, wait->of, wait->what);
	return reef_task_block(L, task, task_resumed);
}

int reef_task_suspend_with(lua_State *L, struct reef_wait *wait, lua_KFunction k, lua_KContext context) {
	struct reef_task *task = reef_host_get(L)->running;
	task->wait = wait;
	if (task->flags & TASK_TAGGED)
		reef_trace_wait(task, wait->of, wait->what);
	task->state = TASK_WAITING;
	return lua_yieldk(L, 0, context, k);
}

void reef_task_resume(struct reef_task *task, int n) {
	task->wait = NULL;
	if (task->flags & TASK_TAGGED)
		reef_trace_resume(task, task->flags & TASK_FAIL);
	if (task->host->running)
		reef_task_wake(task, n);
	else
		reef_task_run(task, n);
}

void reef_task_fail(struct reef_task *task) {
	task->flags |= TASK_FAIL;
	reef_task_resume(task, 1);
}

void reef_task_wake(struct reef_task *task, int n) {
	task->wait = NULL;
	if (task->flags & TASK_TAGGED)
		reef_trace_resume(task, task->flags & TASK_FAIL);
	task->state = TASK_WOKEN;
	task->results = n;
	queue_push(&task->host->wakes, task);
}

void reef_task_wake_fail(struct reef_task *task) {
	task->flags |= TASK_FAIL;
	reef_task_wake(task, 1);
}

void reef_task_wake_failure(struct reef_task *task, int n) {
	task->flags |= TASK_FAIL;
	if (task->flags & TASK_TAGGED)
		reef_trace_resume(task, true);
	task->state = TASK_WOKEN;
	task->results = n;
	queue_push(&task->host->failures, task);
}

/* ---- ending ---- */

static void task_forget_session(struct reef_host *host, int32_t session) {
	struct reef_session *entry = session ? reef_session_find(&host->sessions, session) : NULL;
	if (entry) {
		entry->kind = SESSION_BREAK;
		entry->ptr = NULL;
	}
}

static void task_forget_token(struct reef_task *task) {
	struct reef_host *host = task->host;
	lua_State *L = host->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, host->tokens);
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		bool found = lua_touserdata(L, -1) == task;
		lua_pop(L, 1);
		if (found) {
			lua_pushnil(L);
			lua_rawset(L, -3);
			break;
		}
	}
	lua_pop(L, 1);
	task->flags &= (uint8_t)~TASK_TABLE_TOKEN;
}

void reef_task_cancel_wait(struct reef_task *task) {
	struct reef_wait *wait = task->wait;
	task->wait = NULL;
	if (wait)
		wait->cancel(wait, task);
	task_forget_session(task->host, task->awaited);
	task->awaited = 0;
	if (task->flags & TASK_TABLE_TOKEN)
		task_forget_token(task);
	task->flags &= (uint8_t) ~(TASK_SELF_TOKEN | TASK_FAIL | TASK_UNPACK);
}

void reef_task_kill(struct reef_task *task, const char *reason) {
	struct reef_host *host = task->host;
	if (task->state == TASK_WOKEN) {
		queue_remove(&host->wakes, task);
		queue_remove(&host->failures, task);
	} else if (task->state == TASK_READY && !task->awaited) {
		queue_remove(&host->forks, task);
	}
	reef_task_cancel_wait(task);
	reef_answer_error(task, reason, reason ? strlen(reason) : 0);
	/* What runs in <close> may not find it again. */
	task->state = TASK_RUNNING;
	task_close(task);
}

void reef_task_end_all(struct reef_host *host) {
	reef_task_pool_empty(host);
	/* What runs in <close> may make tasks and kill others: begin anew each time. */
	for (;;) {
		struct reef_task *task = host->all;
		if (task && task == host->exiting_task && task->all_next)
			task = task->all_next;
		if (!task)
			return;
		if (task == host->exiting_task)
			host->exiting_task = NULL;
		reef_task_kill(task, NULL);
	}
}
