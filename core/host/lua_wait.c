/* Functions for Lua that make coroutines, suspend them and wake them.
 *
 * A sleeping or waiting task is found by its token: usually its own coroutine, which needs no table since the thread
 * leads to its task; other tokens are in a table of the registry. Own slice only. */
#include "lua_wait.h"

#include <lauxlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/message.h"
#include "core/send.h"
#include "core/timer.h"
#include "host_private.h"
#include "session.h"
#include "task.h"
#include "task_pool.h"
#include "trace.h"
#include "watch.h"

#include "lstate.h"

#define NS_PER_CS UINT64_C(10000000)

/* ---- making coroutines ---- */

/* Moves the function and its `n` arguments on top of L into a task of their own. */
static struct reef_task *task_from_stack(lua_State *L, int n) {
	struct reef_task *task = reef_task_pool_take(reef_host_get(L));
	if (!lua_checkstack(task->L, n + 1)) {
		reef_task_pool_give_back(task);
		luaL_error(L, "not enough memory for %d arguments", n);
	}
	lua_xmove(L, task->L, n + 1);
	return task;
}

static int push_task_thread(lua_State *L, const struct reef_task *task) {
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
	return 1;
}

/* fork(f, ...) -> thread */
int reef_lua_wait_fork(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	struct reef_task *task = task_from_stack(L, lua_gettop(L) - 1);
	reef_task_fork(task);
	return push_task_thread(L, task);
}

static void send_now(struct reef_host *host, int32_t session) {
	struct reef_message *m = reef_message_wrap(NULL, 0);
	m->type = REEF_PTYPE_RESPONSE;
	m->session = session;
	m->source = 0;
	reef_send(host->handle, m);
}

void reef_lua_wait_begin(struct reef_host *host, int count) {
	for (int i = 0; i < count; i++) {
		int32_t session = reef_host_new_session(host);
		reef_session_add(&host->sessions, session, SESSION_FUNCTION, NULL);
		send_now(host, session);
	}
}

static void start_timer(struct reef_host *host, int32_t session, lua_Integer cs) {
	if (cs <= 0) {
		send_now(host, session);
		return;
	}
	const lua_Integer longest = INT64_MAX / (lua_Integer)NS_PER_CS / 2;
	if (cs > longest)
		cs = longest;
	reef_timer_add(host->handle, session, reef_now_ns() + (uint64_t)cs * NS_PER_CS);
}

/* timeout(cs, f) -> thread. Most callers drop the result, which the call frame tells: then no coroutine is made until the
 * time comes. */
int reef_lua_wait_timeout(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	lua_Integer cs = luaL_checkinteger(L, 1);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	struct reef_watch *watch = reef_watch_current();
	if (watch) {
		reef_watch_start(watch, L, cs, L->ci->nresults == 0);
		return 0;
	}
	int32_t session = reef_host_new_session(host);
	if (L->ci->nresults == 0) {
		const struct reef_session *entry = reef_session_add(&host->sessions, session, SESSION_FUNCTION, NULL);
		reef_session_keep_function(L, host, entry, 2);
		start_timer(host, session, cs);
		return 0;
	}
	struct reef_task *task = task_from_stack(L, 0);
	task->state = TASK_READY;
	task->awaited = session;
	reef_session_add(&host->sessions, session, SESSION_START, task);
	start_timer(host, session, cs);
	return push_task_thread(L, task);
}

/* ---- tokens ---- */

static void push_tokens(lua_State *L, struct reef_host *host) {
	if (!host->tokens) {
		lua_newtable(L);
		host->tokens = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, host->tokens);
}

/* The task that waits for the token at `index`, NULL if none does. */
static struct reef_task *token_task(lua_State *L, struct reef_host *host, int index) {
	if (lua_isthread(L, index)) {
		struct reef_task *task = reef_task_header(lua_tothread(L, index));
		if (task->flags & TASK_SELF_TOKEN)
			return task;
	}
	if (!host->tokens || lua_isnoneornil(L, index))
		return NULL;
	lua_rawgeti(L, LUA_REGISTRYINDEX, host->tokens);
	lua_pushvalue(L, index);
	lua_rawget(L, -2);
	struct reef_task *task = lua_touserdata(L, -1);
	lua_pop(L, 2);
	return task;
}

/* Registers the token at `index`, which becomes the running coroutine if it is nil. */
static void hold_token(lua_State *L, struct reef_task *task, int index) {
	if (lua_isnil(L, index)) {
		lua_pushthread(L);
		lua_replace(L, index);
	}
	if (token_task(L, task->host, index))
		luaL_error(L, "token duplicative");
	task->flags &= (uint8_t)~TASK_BROKEN;
	if (lua_tothread(L, index) == task->L) {
		task->flags |= TASK_SELF_TOKEN;
		return;
	}
	push_tokens(L, task->host);
	lua_pushvalue(L, index);
	lua_pushlightuserdata(L, task);
	lua_rawset(L, -3);
	lua_pop(L, 1);
	task->flags |= TASK_TABLE_TOKEN;
}

static void release_token(lua_State *L, struct reef_task *task, int index) {
	if (task->flags & TASK_TABLE_TOKEN) {
		push_tokens(L, task->host);
		lua_pushvalue(L, index);
		lua_pushnil(L);
		lua_rawset(L, -3);
		lua_pop(L, 1);
	}
	task->flags &= (uint8_t) ~(TASK_SELF_TOKEN | TASK_TABLE_TOKEN);
}

/* ---- sleeping and waking ---- */

static int slept(lua_State *L, int status, lua_KContext context) {
	(void)status;
	(void)context;
	struct reef_task *task = reef_host_get(L)->running;
	release_token(L, task, 2);
	if (task->flags & TASK_BROKEN)
		lua_pushliteral(L, "BREAK");
	else
		lua_pushnil(L);
	task->flags &= (uint8_t)~TASK_BROKEN;
	return 1;
}

/* sleep(cs [, token]) -> "BREAK" if woken */
int reef_lua_wait_sleep(lua_State *L) {
	lua_Integer cs = luaL_checkinteger(L, 1);
	lua_settop(L, 2);
	struct reef_task *task = reef_task_running(L);
	struct reef_host *host = task->host;
	hold_token(L, task, 2);
	int32_t session = reef_host_new_session(host);
	reef_session_add(&host->sessions, session, SESSION_SLEEP, task);
	task->awaited = session;
	if (task->flags & TASK_TAGGED) {
		reef_trace_event(task, "sleep", L);
		reef_trace_wait(task, NULL, "sleep");
	}
	start_timer(host, session, cs);
	return reef_task_block(L, task, slept);
}

int reef_lua_wait_yield(lua_State *L) {
	lua_settop(L, 0);
	lua_pushinteger(L, 0);
	return reef_lua_wait_sleep(L);
}

static int waited(lua_State *L, int status, lua_KContext context) {
	slept(L, status, context);
	return 0;
}

/* wait([token]). It takes a session although nothing will come for it, to be listed like the others. */
int reef_lua_wait_wait(lua_State *L) {
	lua_settop(L, 1);
	lua_insert(L, 1);
	lua_pushnil(L);
	lua_insert(L, 1);
	struct reef_task *task = reef_task_running(L);
	hold_token(L, task, 2);
	task->awaited = reef_host_new_session(task->host);
	return reef_task_block(L, task, waited);
}

/* wakeup(token) -> true if somebody waits for it */
int reef_lua_wait_wakeup(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_task *task = token_task(L, host, 1);
	if (!task)
		return 0;
	if (task->state == TASK_WAITING) {
		struct reef_session *entry = reef_session_find(&host->sessions, task->awaited);
		if (entry) {
			entry->kind = SESSION_BREAK;
			entry->ptr = NULL;
		}
		task->awaited = 0;
		task->flags |= TASK_BROKEN;
		reef_task_wake(task, 0);
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* ---- looking at coroutines ---- */

static bool killable(const struct reef_task *task) {
	return task->state == TASK_WAITING || task->state == TASK_WOKEN || task->state == TASK_READY;
}

static struct reef_task *task_by_text(lua_State *L, struct reef_host *host, const char *text) {
	for (struct reef_task *task = host->all; task; task = task->all_next) {
		if (!killable(task))
			continue;
		push_task_thread(L, task);
		bool found = strstr(luaL_tolstring(L, -1, NULL), text) != NULL;
		lua_pop(L, 2);
		if (found)
			return task;
	}
	return NULL;
}

/* killthread(thread or part of its name) -> thread */
int reef_lua_wait_killthread(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_task *task;
	if (lua_type(L, 1) == LUA_TSTRING) {
		task = task_by_text(L, host, lua_tostring(L, 1));
	} else {
		luaL_checktype(L, 1, LUA_TTHREAD);
		task = reef_task_header(lua_tothread(L, 1));
	}
	if (!task || !killable(task))
		return 0;
	push_task_thread(L, task);
	reef_task_kill(task, "the coroutine that handled the request was killed");
	return 1;
}

/* tasks() -> { [thread] = session it waits for } */
int reef_lua_wait_tasks(lua_State *L) {
	const struct reef_host *host = reef_host_get(L);
	lua_newtable(L);
	for (struct reef_task *task = host->all; task; task = task->all_next) {
		if (!killable(task))
			continue;
		push_task_thread(L, task);
		lua_pushinteger(L, task->awaited);
		lua_rawset(L, -3);
	}
	return 1;
}

/* How many coroutines are suspended, those that a timer will make included. */
int reef_lua_wait_taskcount(lua_State *L) {
	const struct reef_host *host = reef_host_get(L);
	lua_Integer n = 0;
	for (const struct reef_task *task = host->all; task; task = task->all_next)
		if (killable(task))
			n++;
	for (uint32_t i = 0; i < host->sessions.used; i++) {
		int kind = host->sessions.entries[i].kind;
		if (kind == SESSION_FUNCTION || kind == SESSION_POST)
			n++;
	}
	lua_pushinteger(L, n);
	return 1;
}

/* Is this coroutine of the user's suspended by a wait of the framework? */
int reef_lua_wait_blocked(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTHREAD);
	lua_pushboolean(L, reef_task_header(lua_tothread(L, 1)) == &reef_host_get(L)->blocked);
	return 1;
}

/* Is this a coroutine that the dispatcher runs? */
int reef_lua_wait_task(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTHREAD);
	lua_pushboolean(L, reef_task_header(lua_tothread(L, 1))->state != TASK_NONE);
	return 1;
}
