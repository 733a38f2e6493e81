/* Messages to coroutines.
 *
 * Nothing in Lua lies between a message and the user's handler: for a request the protocol's function, session, source
 * and the unpacked values are put on the stack of a task from the pool, which is resumed; replies go to what waits for
 * them (reply.c). Decoding and pushing happen outside any protected call, therefore with an allocator that does not fail
 * (`no_limit`); the limit is felt at the next allocation inside the task.
 *
 * Own slice only. */
#include "dispatch.h"
#include "core/send.h"
#include "core/service.h"

#include <stdio.h>

#include <lauxlib.h>

#include "answer.h"
#include "core/alloc.h"
#include "hook.h"
#include "host_private.h"
#include "interrupt.h"
#include "payload.h"
#include "protocol.h"
#include "reply.h"
#include "report.h"
#include "task.h"
#include "task_pool.h"
#include "trace.h"

/* ---- requests ---- */

static int request_finished(lua_State *L, int status, lua_KContext context) {
	(void)L;
	(void)status;
	(void)context;
	return 0;
}

/* A request whose protocol has an unpack function in Lua begins here: handler, session, source, unpack, bytes, size. */
static int user_request(lua_State *L) {
	lua_call(L, 2, LUA_MULTRET);
	lua_callk(L, lua_gettop(L) - 1, 0, 0, request_finished);
	return 0;
}

/* The first request of the protocol `debug` loads the module that answers them: session, source, values. */
static int debug_request(lua_State *L) {
	lua_getglobal(L, "require");
	lua_pushliteral(L, "skynet.debug");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "dispatch");
	lua_pushvalue(L, -1);
	int dispatch = luaL_ref(L, LUA_REGISTRYINDEX);
	struct reef_protocol *protocol = reef_protocol_by_id(reef_host_get(L), REEF_PTYPE_DEBUG);
	if (protocol->dispatch)
		luaL_unref(L, LUA_REGISTRYINDEX, dispatch);
	else
		protocol->dispatch = dispatch;
	lua_remove(L, -2);
	lua_insert(L, 1);
	lua_callk(L, lua_gettop(L) - 1, 0, 0, request_finished);
	return 0;
}

static void request_refuse(struct reef_host *host, const struct reef_message *m) {
	if (m->session) {
		char reason[160];
		const struct reef_protocol *protocol = reef_protocol_by_id(host, m->type);
		int n = snprintf(reason, sizeof reason, "no dispatch for messages of type %d", m->type);
		if (protocol)
			snprintf(reason + n, sizeof reason - (size_t)n,
					 ": the service has not called skynet.dispatch(\"%.*s\", ...)",
					 protocol->name_size < 32 ? (int)protocol->name_size : 32, protocol->name);
		reef_send_error(host->handle, m->source, m->session, reason);
		return;
	}
	reef_hook_unknown(host, host->unknown_request, reef_hook_unknown_request, m);
}

static void request_dispatch(struct reef_host *host, const struct reef_message *m) {
	const struct reef_protocol *protocol =
			m->type == REEF_PTYPE_LUA ? host->protocols : reef_protocol_by_id(host, m->type);
	if (!protocol || (!protocol->dispatch && m->type != REEF_PTYPE_DEBUG)) {
		request_refuse(host, m);
		return;
	}
	struct reef_task *task = reef_task_pool_take(host);
	lua_State *L = task->L;
	int n = 2;
	task->session = m->session;
	task->source = m->source;
	task->ptype = m->type;
	task->flags = TASK_OWES;
	if (host->trace_pending || protocol->trace >= 0)
		reef_trace_request(task, protocol);
	if (protocol->unpacks == CODEC_USER) {
		lua_pushcfunction(L, user_request);
		n = 6;
	}
	if (protocol->dispatch)
		lua_rawgeti(L, LUA_REGISTRYINDEX, protocol->dispatch);
	else
		lua_pushcfunction(L, debug_request);
	lua_pushinteger(L, m->session);
	lua_pushinteger(L, m->source);
	if (protocol->unpacks == CODEC_USER) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, protocol->unpack);
		lua_pushlightuserdata(L, m->data);
		lua_pushinteger(L, (lua_Integer)m->size);
	} else {
		int values = reef_payload_push(L, protocol->unpacks, m);
		if (values < 0) {
			lua_insert(L, 1);
			lua_settop(L, 1);
			lua_pushcfunction(L, lua_error);
			lua_insert(L, 1);
		}
		n += values;
	}
	reef_task_run(task, n);
}

/* ---- entry points ---- */

inline void reef_dispatch(struct reef_host *host, struct reef_message *m) {
	const struct reef_message *outer = host->incoming;
	bool no_limit = host->no_limit;
	host->incoming = m;
	host->no_limit = true;
	switch (m->type) {
	case REEF_PTYPE_RESPONSE:
		reef_reply_arrived(host, m);
		break;
	case REEF_PTYPE_ERROR:
		reef_reply_failed(host, m);
		break;
	case REEF_PTYPE_TRACE:
		reef_trace_announced(host, m);
		break;
	default:
		request_dispatch(host, m);
	}
	host->no_limit = no_limit;
	host->incoming = outer;
}

/* The function of the user's takes the message in the place of the dispatcher. */
static void raw_callback(struct reef_host *host, struct reef_message *m) {
	lua_State *L = host->L;
	host->no_limit = true;
	lua_rawgeti(L, LUA_REGISTRYINDEX, host->raw_callback);
	lua_pushinteger(L, m->type);
	size_t size = m->size;
	lua_pushlightuserdata(L, host->raw_forward ? reef_message_take(m) : m->data);
	lua_pushinteger(L, (lua_Integer)size);
	lua_pushinteger(L, m->session);
	lua_pushinteger(L, m->source);
	bool request = m->type != REEF_PTYPE_RESPONSE && m->type != REEF_PTYPE_ERROR;
	host->raw_session = request ? m->session : 0;
	host->raw_source = m->source;
	host->from = L;
	bool ok = reef_hook_call(host, 5);
	host->from = NULL;
	host->no_limit = false;
	if (host->raw_session && !ok)
		reef_send_error(host->handle, host->raw_source, host->raw_session, "the message's callback raised an error");
	else if (host->raw_session)
		reef_answer_left_open(host, host->raw_source, host->raw_session, m->type);
	host->raw_session = 0;
}

void reef_dispatch_callback(struct reef_service *service, void *ud, struct reef_message *m) {
	(void)service;
	struct reef_host *host = ud;
	reef_interrupt_enter(host);
	if (host->raw_callback)
		raw_callback(host, m);
	else
		reef_dispatch(host, m);
	reef_task_turn(host);
	if (host->errors)
		reef_report_flush(host, m);
	reef_interrupt_leave(host);
}

static void dispatch_intercepted(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	if (!host->intercept->take(host->intercept->ud, m))
		reef_dispatch_callback(service, ud, m);
}

void reef_dispatch_intercept(struct reef_host *host, bool (*take)(void *ud, struct reef_message *m), void *ud) {
	if (host->intercept == NULL)
		host->intercept = reef_malloc(sizeof *host->intercept);
	*host->intercept = (struct reef_intercept){take, ud};
	reef_service_set_callback(host->service, dispatch_intercepted, host);
}
