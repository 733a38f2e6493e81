/* Tasks: the coroutines that the dispatcher runs.
 *
 * A task's thread is anchored in the registry once and used again for the next message after lua_settop(0), which is
 * ten times cheaper than a new one. Its extra space points to the task; all other threads (the main one, coroutines
 * that user code makes) point to a header of the host that is not a task. The pool shrinks by half of what was idle
 * during the last thousand tasks.
 *
 * A task that waits is suspended by lua_yieldk with no values and state WAITING, from its own thread or from a user's
 * coroutine inside it. In the second case our coroutine.resume sees the state, marks the coroutine as blocked, and
 * yields as well, level by level; the results come back down the same way. A yield in any other state is a mistake of
 * the user's and ends the task.
 *
 * Everything belongs to the host; own slice only. */
#include "host_private.h"

#include <lauxlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "profile_private.h"
#include "trace_private.h"

enum { POOL_WINDOW = 1024, POOL_KEPT = 16 };

int reef_thread_close(lua_State *thread, lua_State *from) {
#if LUA_VERSION_RELEASE_NUM >= 50406
	return lua_closethread(thread, from);
#else
	(void)from;
	return lua_resetthread(thread);
#endif
}

/* ---- queues ---- */

static void push(struct reef_task_queue *queue, struct reef_task *task) {
	task->next = NULL;
	if (queue->tail)
		queue->tail->next = task;
	else
		queue->head = task;
	queue->tail = task;
}

static struct reef_task *pop(struct reef_task_queue *queue) {
	struct reef_task *task = queue->head;
	if (task) {
		queue->head = task->next;
		if (!queue->head)
			queue->tail = NULL;
	}
	return task;
}

static void unlink_from(struct reef_task_queue *queue, struct reef_task *task) {
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

/* ---- the pool ---- */

struct reef_task *reef_task_new(struct reef_host *host) {
	struct reef_task *task = host->pool;
	if (task) {
		host->pool = task->next;
		if (--host->pooled < host->pool_low)
			host->pool_low = host->pooled;
		task->serial = ++host->serial;
		return task;
	}
	bool no_limit = host->no_limit;
	host->no_limit = true;
	task = host->spare;
	if (task) {
		host->spare = task->next;
		memset(task, 0, sizeof(*task));
	} else {
		task = reef_calloc(1, sizeof(*task));
	}
	task->host = host;
	task->serial = ++host->serial;
	task->L = lua_newthread(host->L);
	reef_task_set_header(task->L, task);
	task->ref = luaL_ref(host->L, LUA_REGISTRYINDEX);
	host->no_limit = no_limit;
	task->all_next = host->all;
	if (host->all)
		host->all->all_prev = task;
	host->all = task;
	return task;
}

/* The thread may live on in a variable of the user's. */
static void drop(struct reef_task *task) {
	struct reef_host *host = task->host;
	reef_task_set_header(task->L, &host->gone);
	luaL_unref(host->L, LUA_REGISTRYINDEX, task->ref);
	if (task->all_prev)
		task->all_prev->all_next = task->all_next;
	else
		host->all = task->all_next;
	if (task->all_next)
		task->all_next->all_prev = task->all_prev;
	task->state = TASK_FREE;
	task->serial = 0;
	task->next = host->spare;
	host->spare = task;
}

void reef_task_give_back(struct reef_task *task) {
	struct reef_host *host = task->host;
	lua_settop(task->L, 0);
	if (task->flags & TASK_TAGGED) {
		reef_trace_event(task, "end", NULL);
		reef_trace_forget(task);
	}
	task->state = TASK_FREE;
	task->serial = 0;
	task->flags = 0;
	task->session = 0;
	task->source = 0;
	task->next = host->pool;
	host->pool = task;
	host->pooled++;
	if (++host->pool_window < POOL_WINDOW)
		return;
	if (host->pool_low > POOL_KEPT) {
		for (uint32_t n = host->pool_low / 2; n; n--) {
			struct reef_task *idle = host->pool;
			host->pool = idle->next;
			host->pooled--;
			drop(idle);
		}
	}
	host->pool_window = 0;
	host->pool_low = host->pooled;
}

/* ---- running ---- */

static void close_and_drop(struct reef_task *task) {
	if (task->flags & TASK_TAGGED)
		reef_trace_forget(task);
	lua_State *L = task->L;
	reef_thread_close(L, task->host->active);
	lua_settop(L, 0);
	drop(task);
}

static void forgotten(struct reef_task *task) {
	struct reef_host *host = task->host;
	lua_Debug ar = {.short_src = "?", .linedefined = 0};
	const struct reef_protocol *protocol = reef_protocol_by_id(host, task->ptype);
	if (protocol && protocol->dispatch) {
		lua_rawgeti(task->L, LUA_REGISTRYINDEX, protocol->dispatch);
		lua_getinfo(task->L, ">S", &ar);
	}
	if (!(task->flags & TASK_PASSED_ON))
		reef_host_left_open(host, task->source, task->session, task->ptype);
	reef_log(host->handle, "Maybe forgot response session %d from :%08x : %s:%d", task->session, task->source,
			 ar.short_src, ar.linedefined);
}

/* Only what is the user's, __tostring, is held to the limit of memory. */
static int describe(lua_State *L) {
	lua_State *failed = lua_touserdata(L, 1);
	struct reef_host *host = reef_host_get(L);
	luaL_argcheck(L, lua_checkstack(failed, 1), 1, "no stack left to describe the error on");
	lua_pushvalue(failed, -1);
	lua_xmove(failed, L, 1);
	host->no_limit = false;
	luaL_tolstring(L, 2, NULL);
	host->no_limit = true;
	luaL_traceback(L, failed, lua_tostring(L, -1), 0);
	return 2;
}

static void add_error(struct reef_host *host, const char *text, size_t size) {
	size_t old = host->errors_size;
	char *errors = reef_try_realloc(host->errors, old + size + 1);
	if (errors == NULL) {
		/* Said at once, without the others of the turn. */
		reef_log_bytes(host->handle, text, size);
		return;
	}
	host->errors = errors;
	if (old)
		host->errors[old++] = '\n';
	memcpy(host->errors + old, text, size);
	host->errors_size = old + size;
}

void reef_task_report(struct reef_host *host, lua_State *failed) {
	lua_State *L = host->L;
	bool no_limit = host->no_limit;
	host->no_limit = true;
	lua_pushcfunction(L, describe);
	lua_pushlightuserdata(L, failed);
	int status = lua_pcall(L, 1, 2, 0);
	host->no_limit = true;
	if (status != LUA_OK) {
		if (lua_type(L, -1) != LUA_TSTRING) {
			lua_pop(L, 1);
			lua_pushliteral(L, "error in error handling");
		}
		lua_pushvalue(L, -1);
	}
	size_t size;
	const char *text = lua_tolstring(L, -1, &size);
	add_error(host, text, size);
	lua_pop(L, 1);
	host->no_limit = no_limit;
}

static void failed(struct reef_task *task) {
	struct reef_host *host = task->host;
	bool no_limit = host->no_limit;
	host->no_limit = true;
	if (task->flags & TASK_TAGGED)
		reef_trace_event(task, "error", NULL);
	/* skynet.exit where it cannot yield raises instead. */
	if (!host->exiting) {
		reef_task_report(host, task->L);
		reef_task_answer_error(task, lua_tostring(host->L, -1));
		lua_pop(host->L, 1);
	}
	reef_task_answer_error(task, NULL);
	host->no_limit = no_limit;
	if (task->state == TASK_WAITING)
		reef_task_cancel_wait(task);
	close_and_drop(task);
}

static void stray(struct reef_task *task, int results) {
	bool no_limit = task->host->no_limit;
	task->host->no_limit = true;
	lua_pop(task->L, results);
	lua_pushliteral(task->L, "a coroutine of the dispatcher yields by itself: coroutine.yield belongs into a coroutine "
							 "that you make and resume");
	task->host->no_limit = no_limit;
	failed(task);
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
		if (task->state != TASK_WAITING)
			stray(task, results);
		return;
	}
	if (status != LUA_OK) {
		failed(task);
		return;
	}
	if (task->state == TASK_WAITING)
		reef_task_cancel_wait(task);
	if (task->flags & TASK_OWES && task->session) {
		/* skynet.exit raises where it cannot yield, and that may have been caught. */
		if (host->exiting)
			reef_task_answer_error(task, NULL);
		else
			forgotten(task);
	}
	reef_task_give_back(task);
}

static void run_woken(struct reef_host *host) {
	while (!host->exiting) {
		struct reef_task *task = pop(&host->wakes);
		if (!task)
			task = pop(&host->failures);
		if (!task)
			return;
		reef_task_run(task, task->results);
	}
}

void reef_task_turn(struct reef_host *host) {
	run_woken(host);
	struct reef_task *task;
	while (!host->exiting && (task = pop(&host->forks))) {
		reef_task_run(task, lua_gettop(task->L) - 1);
		run_woken(host);
	}
}

void reef_task_fork(struct reef_task *task) {
	task->state = TASK_READY;
	push(&task->host->forks, task);
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

static int suspended(lua_State *L, int status, lua_KContext base) {
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
	return reef_task_block(L, task, suspended);
}

void reef_task_resume(struct reef_task *task, int n) {
	task->wait = NULL;
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
	task->state = TASK_WOKEN;
	task->results = n;
	push(&task->host->wakes, task);
}

void reef_task_wake_fail(struct reef_task *task) {
	task->flags |= TASK_FAIL;
	reef_task_wake(task, 1);
}

void reef_task_wake_failure(struct reef_task *task, int n) {
	task->flags |= TASK_FAIL;
	task->state = TASK_WOKEN;
	task->results = n;
	push(&task->host->failures, task);
}

static void forget_session(struct reef_host *host, int32_t session) {
	struct reef_session *entry = session ? reef_sessions_find(&host->sessions, session) : NULL;
	if (entry) {
		entry->kind = SESSION_BREAK;
		entry->ptr = NULL;
	}
}

void reef_task_forget_token(struct reef_task *task) {
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
	forget_session(task->host, task->awaited);
	task->awaited = 0;
	if (task->flags & TASK_TABLE_TOKEN)
		reef_task_forget_token(task);
	task->flags &= (uint8_t) ~(TASK_SELF_TOKEN | TASK_FAIL | TASK_UNPACK);
}

void reef_task_kill(struct reef_task *task, const char *reason) {
	struct reef_host *host = task->host;
	if (task->state == TASK_WOKEN) {
		unlink_from(&host->wakes, task);
		unlink_from(&host->failures, task);
	} else if (task->state == TASK_READY && !task->awaited) {
		unlink_from(&host->forks, task);
	}
	reef_task_cancel_wait(task);
	reef_task_answer_error(task, reason);
	/* What runs in <close> may not find it again. */
	task->state = TASK_RUNNING;
	close_and_drop(task);
}

void reef_tasks_fini(struct reef_host *host) {
	while (host->pool) {
		struct reef_task *task = host->pool;
		host->pool = task->next;
		drop(task);
	}
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

void reef_tasks_free(struct reef_host *host) {
	while (host->spare) {
		struct reef_task *task = host->spare;
		host->spare = task->next;
		reef_free(task);
	}
}
