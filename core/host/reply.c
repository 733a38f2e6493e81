/* Replies to what waits for them: a coroutine, a function, a C module.
 *
 * Values are unpacked straight onto the stack of the task that waits. Own slice only. */
#include "reply.h"

#include <lua.h>

#include "core/alloc.h"
#include "hook.h"
#include "host_private.h"
#include "payload.h"
#include "protocol.h"
#include "response.h"
#include "session.h"
#include "task.h"
#include "task_pool.h"
#include "trace.h"

static void reply_to_task(struct reef_host *host, const struct reef_session *entry, const struct reef_message *m) {
	struct reef_task *task = entry->ptr;
	const struct reef_protocol *protocol = NULL;
	int codec = CODEC_NONE, n = 0;
	if (entry->kind == SESSION_CALL) {
		protocol = reef_protocol_by_id(host, entry->ptype);
		codec = protocol ? protocol->unpacks : CODEC_NONE;
	}
	task->awaited = 0;
	if (task->flags & TASK_TAGGED) {
		reef_trace_event(task, "resume", NULL);
		reef_trace_resume(task, false);
	}
	if (codec == CODEC_USER) {
		/* Its function runs inside the task, where it may raise. */
		task->flags |= TASK_UNPACK;
		task->unpack = entry->ptype;
	} else {
		n = reef_payload_push(task->L, codec, m);
		if (n < 0) {
			task->flags |= TASK_FAIL;
			n = 1;
		}
	}
	reef_task_run(task, n);
}

/* Begins with the function, the protocol's unpack, the bytes and their size. */
static int posted_user(lua_State *L) {
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_pushvalue(L, 4);
	lua_call(L, 2, LUA_MULTRET);
	lua_pushboolean(L, 1);
	lua_replace(L, 4);
	lua_pushvalue(L, 1);
	lua_replace(L, 3);
	lua_call(L, lua_gettop(L) - 3, 0);
	return 0;
}

static struct reef_task *posted_task(struct reef_host *host, uint32_t index, const struct reef_message *m, int ptype,
									 int *n) {
	struct reef_task *task = reef_task_pool_take(host);
	lua_State *L = task->L;
	const struct reef_protocol *protocol = reef_protocol_by_id(host, ptype);
	reef_session_take_function(task->L, host, index);
	if (!m) {
		lua_pushboolean(L, 0);
		*n = 1;
	} else if (protocol && protocol->unpacks == CODEC_USER) {
		lua_pushcfunction(L, posted_user);
		lua_insert(L, 1);
		lua_rawgeti(L, LUA_REGISTRYINDEX, protocol->unpack);
		lua_pushlightuserdata(L, m->data);
		lua_pushinteger(L, (lua_Integer)m->size);
		*n = 4;
	} else {
		lua_pushboolean(L, 1);
		*n = 1 + reef_payload_push(L, protocol ? protocol->unpacks : CODEC_NONE, m);
		if (*n == 0) {
			lua_pushboolean(L, 0);
			lua_replace(L, 2);
			*n = 2;
		}
	}
	return task;
}

static void reply_timer_due(struct reef_host *host, struct reef_session *found) {
	struct reef_c_timer timer = *(struct reef_c_timer *)found->ptr;
	reef_free(found->ptr);
	reef_session_close(host, found);
	timer.handler(host, timer.ud);
}

static void reply_to_module(struct reef_host *host, struct reef_session *found, bool ok, const char *bytes, size_t n) {
	struct reef_host_reply *reply = found->ptr;
	reef_session_close(host, found);
	reply->arrived(reply, ok, bytes, n);
}

inline void reef_reply_arrived(struct reef_host *host, const struct reef_message *m) {
	struct reef_session *found = reef_session_find(&host->sessions, m->session);
	if (!found) {
		reef_hook_unknown(host, host->unknown_response, reef_hook_unknown_response, m);
		return;
	}
	struct reef_session entry = *found;
	uint32_t index = reef_session_index(&host->sessions, found);
	struct reef_task *task = entry.ptr;
	int n;
	switch (entry.kind) {
	case SESSION_CALL:
	case SESSION_RAW_CALL:
		reef_session_close(host, found);
		reply_to_task(host, &entry, m);
		break;
	case SESSION_SLEEP:
		reef_session_close(host, found);
		task->awaited = 0;
		if (task->flags & TASK_TAGGED) {
			reef_trace_event(task, "resume", NULL);
			reef_trace_resume(task, false);
		}
		reef_task_run(task, 0);
		break;
	case SESSION_START:
		reef_session_close(host, found);
		task->awaited = 0;
		reef_task_run(task, lua_gettop(task->L) - 1);
		break;
	case SESSION_FUNCTION:
		task = reef_task_pool_take(host);
		reef_session_take_function(task->L, host, index);
		reef_session_close(host, found);
		reef_task_run(task, 0);
		break;
	case SESSION_POST:
		task = posted_task(host, index, m, entry.ptype, &n);
		reef_session_close(host, found);
		reef_task_run(task, n);
		break;
	case SESSION_TIMER:
		reply_timer_due(host, found);
		break;
	case SESSION_REPLY:
		reply_to_module(host, found, true, m->data, m->size);
		break;
	default:
		reef_session_close(host, found);
	}
}

/* ---- failures ---- */

static void fail_session(struct reef_host *host, struct reef_session *found, const char *reason, size_t size) {
	struct reef_session entry = *found;
	struct reef_task *task = entry.ptr;
	int n;
	switch (entry.kind) {
	case SESSION_CALL:
	case SESSION_RAW_CALL:
		lua_pushlstring(task->L, reason, size);
		task->awaited = 0;
		reef_task_wake_failure(task, 1);
		break;
	case SESSION_POST:
		task = posted_task(host, reef_session_index(&host->sessions, found), NULL, entry.ptype, &n);
		lua_pushlstring(task->L, reason, size);
		reef_task_fork(task);
		break;
	case SESSION_REPLY:
		reply_to_module(host, found, false, reason, size);
		return;
	case SESSION_BREAK:
		break;
	default: /* timers do not fail */
		return;
	}
	reef_session_close(host, found);
}

void reef_reply_down(struct reef_host *host, uint32_t source) {
	reef_response_down(host, source);
	bool no_limit = host->no_limit;
	host->no_limit = true;
	static const char reason[] = "service is down";
	for (uint32_t i = 0; i < host->sessions.used; i++) {
		struct reef_session *entry = &host->sessions.entries[i];
		if (entry->dest == source && entry->kind != SESSION_FREE)
			fail_session(host, entry, reason, sizeof(reason) - 1);
	}
	host->no_limit = no_limit;
}

void reef_reply_failed(struct reef_host *host, const struct reef_message *m) {
	if (m->session == 0) {
		reef_reply_down(host, m->source);
		return;
	}
	struct reef_session *entry = reef_session_find(&host->sessions, m->session);
	if (entry && m->flags & REEF_MESSAGE_OWN && entry->dest != m->source && entry->dest != 0)
		return;
	if (entry)
		fail_session(host, entry, m->data, m->size);
}
