/* Functions for Lua that ask other services.
 *
 * skynet.call is a C function that ends with a yield; its continuation finds the reply's values on the stack already,
 * or the reason of the failure. Own slice only. */
#include "lua_call.h"
#include "core/name.h"
#include "core/send.h"

#include <string.h>

#include <lauxlib.h>

#include "host_private.h"
#include "own_files.h"
#include "payload.h"
#include "protocol.h"
#include "session.h"
#include "target.h"
#include "task.h"
#include "trace.h"

/* Raises the text on top of the stack. */
static int raise_at_user(lua_State *L) {
	reef_own_where_user(L);
	lua_insert(L, -2);
	lua_concat(L, 2);
	return lua_error(L);
}

static int call_failed(lua_State *L) {
	size_t size = 0;
	const char *reason = lua_tolstring(L, -1, &size);
	if (size == 0) {
		lua_pushliteral(L, "call failed");
	} else if (strncmp(reason, "call failed", 11) != 0) {
		lua_pushliteral(L, "call failed: ");
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return raise_at_user(L);
}

static int call_returned(lua_State *L, int status, lua_KContext base) {
	(void)status;
	struct reef_host *host = reef_host_get(L);
	struct reef_task *task = host->running;
	if (task->flags & TASK_FAIL) {
		task->flags &= (uint8_t)~TASK_FAIL;
		return call_failed(L);
	}
	if (task->flags & TASK_UNPACK) {
		task->flags &= (uint8_t)~TASK_UNPACK;
		const struct reef_protocol *protocol = reef_protocol_by_id(host, task->unpack);
		lua_rawgeti(L, LUA_REGISTRYINDEX, protocol->unpack);
		lua_pushlightuserdata(L, host->incoming->data);
		lua_pushinteger(L, (lua_Integer)host->incoming->size);
		lua_call(L, 2, LUA_MULTRET);
	}
	return lua_gettop(L) - (int)base;
}

/* As the user gave it, at index 1. */
static const char *address_text(lua_State *L, struct reef_target target) {
	if (lua_type(L, 1) != LUA_TNUMBER)
		return lua_tostring(L, 1);
	char text[16];
	reef_handle_text(text, target.handle);
	return lua_pushstring(L, text);
}

static int call_with(lua_State *L, struct reef_task *task, struct reef_target target, struct reef_message *m,
					 int kind) {
	struct reef_host *host = task->host;
	int32_t session = reef_host_new_session(host);
	uint8_t ptype = m->type;
	m->session = session;
	m->source = 0;
	if (task->flags & TASK_TAGGED)
		reef_trace_call(task, target, L);
	enum reef_offered offered = reef_target_deliver(host, target, m);
	if (offered == REEF_OFFER_FULL) {
		lua_pushfstring(L, "call failed: the mailbox of %s is full", address_text(L, target));
		return raise_at_user(L);
	}
	if (offered == REEF_OFFER_NOBODY) {
		lua_pushfstring(L, "call to invalid address %s", address_text(L, target));
		return raise_at_user(L);
	}
	struct reef_session *entry = reef_session_add(&host->sessions, session, kind, task);
	entry->dest = target.handle;
	entry->ptype = ptype;
	task->awaited = session;
	return reef_task_block(L, task, call_returned);
}

/* call(addr, type, ...) */
int reef_lua_call_call(lua_State *L) {
	struct reef_target target = reef_target_check(L, 1);
	const struct reef_protocol *protocol = reef_protocol_check(L, 2);
	struct reef_task *task = reef_task_running(L);
	uint8_t type = protocol->id;
	struct reef_message *m = reef_payload_pack(L, protocol, 3);
	m->type = type;
	return call_with(L, task, target, m, SESSION_CALL);
}

/* rawcall(addr, type, msg [, sz]) */
int reef_lua_call_rawcall(lua_State *L) {
	struct reef_target target = reef_target_check(L, 1);
	uint8_t type = reef_protocol_check(L, 2)->id;
	struct reef_task *task = reef_task_running(L);
	struct reef_message *m = reef_payload_check(L, 3);
	m->type = type;
	return call_with(L, task, target, m, SESSION_RAW_CALL);
}

/* post(f, addr, type, ...): a request whose reply runs f(true, ...) or f(false, reason). The session, or nil. */
int reef_lua_call_post(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	luaL_checktype(L, 1, LUA_TFUNCTION);
	struct reef_target target = reef_target_check(L, 2);
	const struct reef_protocol *protocol = reef_protocol_check(L, 3);
	uint8_t type = protocol->id;
	struct reef_message *m = reef_payload_pack(L, protocol, 4);
	int32_t session = reef_host_new_session(host);
	m->type = type;
	m->session = session;
	m->source = 0;
	if (reef_target_deliver(host, target, m) != REEF_OFFER_TAKEN)
		return 0;
	struct reef_session *entry = reef_session_add(&host->sessions, session, SESSION_POST, NULL);
	entry->dest = target.handle;
	entry->ptype = type;
	reef_session_keep_function(L, host, entry, 1);
	lua_pushinteger(L, session);
	return 1;
}

/* forget(session): whatever comes for it is dropped. */
int reef_lua_call_forget(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_session *entry = reef_session_find(&host->sessions, (int32_t)luaL_checkinteger(L, 1));
	if (!entry || entry->kind != SESSION_POST)
		return 0;
	entry->kind = SESSION_BREAK;
	lua_pushboolean(L, 0);
	reef_session_keep_function(L, host, entry, 2);
	return 0;
}
