/* Functions for Lua that send, call and answer.
 *
 * skynet.call is a C function that ends with a yield; its continuation finds the reply's values on the stack already,
 * or the reason of the failure. All run in the service's own slice. */
#include "lua_message.h"
#include "name_check.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/global.h"
#include "core/name.h"
#include "core/send.h"
#include "core/service.h"
#include "functions.h"
#include "own_files.h"
#include "serialise.h"
#include "trace_private.h"

#define RESPONSE "reef.response"

/* ---- addresses and payloads ---- */

struct reef_target reef_check_target(lua_State *L, int index) {
	struct reef_target target = {0, NULL};
	if (lua_type(L, index) == LUA_TNUMBER) {
		target.handle = (uint32_t)luaL_checkinteger(L, index);
		if (!target.handle)
			luaL_error(L, "Invalid service address 0");
		return target;
	}
	const char *name = reef_check_name(L, index);
	if (name[0] == ':' || name[0] == '.')
		target.handle = reef_address_parse(name);
	else if (!(target.handle = reef_global_find(name)))
		target.global = name;
	return target;
}

enum reef_offered reef_deliver(struct reef_host *host, struct reef_target target, struct reef_message *m) {
	if (!m->source)
		m->source = host->handle;
	if (target.global)
		return reef_global_send(target.global, m) ? REEF_OFFER_TAKEN : REEF_OFFER_NOBODY;
	if (target.handle)
		return reef_send_offer(target.handle, m);
	reef_message_free(m);
	return REEF_OFFER_NOBODY;
}

struct reef_protocol *reef_check_protocol(lua_State *L, int index) {
	struct reef_host *host = reef_host_get(L);
	struct reef_protocol *protocol;
	if (lua_type(L, index) == LUA_TNUMBER) {
		protocol = reef_protocol_by_id(host, (int)luaL_checkinteger(L, index));
	} else {
		size_t size;
		const char *name = luaL_checklstring(L, index, &size);
		protocol = reef_protocol_by_name(host, name, size);
	}
	if (!protocol)
		luaL_error(L, "unknown message type '%s'", luaL_tolstring(L, index, NULL));
	return protocol;
}

struct reef_message *reef_check_payload(lua_State *L, int index) {
	size_t size;
	switch (lua_type(L, index)) {
	case LUA_TNONE:
	case LUA_TNIL:
		return reef_message_wrap(NULL, 0);
	case LUA_TSTRING: {
		const char *s = lua_tolstring(L, index, &size);
		struct reef_message *m = reef_message_try_new(size);
		if (m == NULL)
			luaL_error(L, "not enough memory for a message of %I bytes", (LUAI_UACINT)size);
		memcpy(m->data, s, size);
		return m;
	}
	case LUA_TLIGHTUSERDATA: {
		void *data = lua_touserdata(L, index);
		lua_Integer n = luaL_checkinteger(L, index + 1);
		luaL_argcheck(L, n >= 0, index + 1, "negative size");
		luaL_argcheck(L, n == 0 || data, index, "no bytes");
		return reef_message_wrap(data, (size_t)n);
	}
	default:
		luaL_error(L, "a message must be a string or a light userdata with its size, not a %s",
				   luaL_typename(L, index));
		return NULL;
	}
}

struct reef_message *reef_pack_with(lua_State *L, const struct reef_protocol *protocol, int first) {
	switch (protocol->packs) {
	case CODEC_LUA:
		return reef_pack_message(L, first);
	case CODEC_USER:
		lua_rawgeti(L, LUA_REGISTRYINDEX, protocol->pack);
		lua_insert(L, first);
		lua_call(L, lua_gettop(L) - first, 2);
		return reef_check_payload(L, first);
	default:
		luaL_error(L, "protocol '%s' has no pack function", protocol->name);
		return NULL;
	}
}

/* ---- sending ---- */

/* false: the mailbox is full. */
static int sent(lua_State *L, enum reef_offered offered) {
	if (offered == REEF_OFFER_TAKEN)
		lua_pushinteger(L, 0);
	else if (offered == REEF_OFFER_FULL)
		lua_pushboolean(L, 0);
	else
		lua_pushnil(L);
	return 1;
}

/* send(addr, type, ...) */
int reef_core_send(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_target target = reef_check_target(L, 1);
	const struct reef_protocol *protocol = reef_check_protocol(L, 2);
	uint8_t type = protocol->id;
	struct reef_message *m = reef_pack_with(L, protocol, 3);
	m->type = type;
	m->session = 0;
	m->source = 0;
	return sent(L, reef_deliver(host, target, m));
}

/* rawsend(addr, type, msg [, sz]) */
int reef_core_rawsend(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_target target = reef_check_target(L, 1);
	uint8_t type = reef_check_protocol(L, 2)->id;
	struct reef_message *m = reef_check_payload(L, 3);
	m->type = type;
	m->session = 0;
	m->source = 0;
	return sent(L, reef_deliver(host, target, m));
}

/* redirect(dest, source, type, session, msg [, sz]). Source 0 is the sender itself, as for every message. */
int reef_core_redirect(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_target target = reef_check_target(L, 1);
	bool is_self = lua_isinteger(L, 2) && lua_tointeger(L, 2) == 0;
	uint32_t source = is_self ? 0 : reef_check_target(L, 2).handle;
	lua_Integer type = lua_isinteger(L, 3) ? lua_tointeger(L, 3) : reef_check_protocol(L, 3)->id;
	luaL_argcheck(L, type >= 0 && type <= 255, 3, "no message type");
	lua_Integer session = luaL_checkinteger(L, 4);
	struct reef_message *m = reef_check_payload(L, 5);
	m->type = (uint8_t)type;
	m->session = (int32_t)session;
	m->source = source;
	bool delivered = reef_deliver(host, target, m);
	if (delivered && session > 0) {
		bool reply = type == REEF_PTYPE_RESPONSE || type == REEF_PTYPE_ERROR;
		reef_host_settled(host, reply ? target.handle : source, (int32_t)session);
	} else if (session > 0) {
		host->lost_source = source;
		host->lost_session = (int32_t)session;
	}
	return sent(L, delivered);
}

/* ---- calling ---- */

/* Raises the text on top of the stack, with the line of the user's code that called: the lines of our own library, such
 * as newservice's, would tell nobody anything. */
static int raise_at_user(lua_State *L) {
	const char *own = reef_own_directory();
	size_t size = own ? strlen(own) : 0;
	lua_Debug ar;
	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		bool ours = size > 0 && ar.source[0] == '@' && strncmp(ar.source + 1, own, size) == 0;
		if (ar.currentline > 0 && !ours) {
			lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
			lua_insert(L, -2);
			lua_concat(L, 2);
			break;
		}
	}
	return lua_error(L);
}

static int call_failed(lua_State *L) {
	const char *reason = lua_tostring(L, -1);
	if (!reason || !*reason)
		lua_pushliteral(L, "call failed");
	else if (strncmp(reason, "call failed", 11) == 0)
		lua_pushstring(L, reason);
	else
		lua_pushfstring(L, "call failed: %s", reason);
	return raise_at_user(L);
}

static int called(lua_State *L, int status, lua_KContext base) {
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
static const char *address_of(lua_State *L, struct reef_target target) {
	if (lua_type(L, 1) != LUA_TNUMBER)
		return lua_tostring(L, 1);
	char text[16];
	snprintf(text, sizeof text, ":%08x", target.handle);
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
	enum reef_offered offered = reef_deliver(host, target, m);
	if (offered == REEF_OFFER_FULL) {
		lua_pushfstring(L, "call failed: the mailbox of %s is full", address_of(L, target));
		return raise_at_user(L);
	}
	if (offered == REEF_OFFER_NOBODY) {
		lua_pushfstring(L, "call to invalid address %s", address_of(L, target));
		return raise_at_user(L);
	}
	struct reef_session *entry = reef_sessions_add(&host->sessions, session, kind, task);
	entry->dest = target.handle;
	entry->ptype = ptype;
	task->awaited = session;
	return reef_task_block(L, task, called);
}

/* call(addr, type, ...) */
int reef_core_call(lua_State *L) {
	struct reef_target target = reef_check_target(L, 1);
	const struct reef_protocol *protocol = reef_check_protocol(L, 2);
	struct reef_task *task = reef_task_running(L);
	uint8_t type = protocol->id;
	struct reef_message *m = reef_pack_with(L, protocol, 3);
	m->type = type;
	return call_with(L, task, target, m, SESSION_CALL);
}

/* rawcall(addr, type, msg [, sz]) */
int reef_core_rawcall(lua_State *L) {
	struct reef_target target = reef_check_target(L, 1);
	uint8_t type = reef_check_protocol(L, 2)->id;
	struct reef_task *task = reef_task_running(L);
	struct reef_message *m = reef_check_payload(L, 3);
	m->type = type;
	return call_with(L, task, target, m, SESSION_RAW_CALL);
}

/* post(f, addr, type, ...): a request whose reply runs f(true, ...) or f(false, reason). The session, or nil. */
int reef_core_post(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	luaL_checktype(L, 1, LUA_TFUNCTION);
	struct reef_target target = reef_check_target(L, 2);
	const struct reef_protocol *protocol = reef_check_protocol(L, 3);
	uint8_t type = protocol->id;
	struct reef_message *m = reef_pack_with(L, protocol, 4);
	int32_t session = reef_host_new_session(host);
	m->type = type;
	m->session = session;
	m->source = 0;
	if (reef_deliver(host, target, m) != REEF_OFFER_TAKEN)
		return 0;
	struct reef_session *entry = reef_sessions_add(&host->sessions, session, SESSION_POST, NULL);
	entry->dest = target.handle;
	entry->ptype = type;
	reef_session_keep_function(L, host, entry, 1);
	lua_pushinteger(L, session);
	return 1;
}

/* forget(session): whatever comes for it is dropped. */
int reef_core_forget(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_session *entry = reef_sessions_find(&host->sessions, (int32_t)luaL_checkinteger(L, 1));
	if (!entry || entry->kind != SESSION_POST)
		return 0;
	entry->kind = SESSION_BREAK;
	lua_pushboolean(L, 0);
	reef_session_keep_function(L, host, entry, 2);
	return 0;
}

/* ---- answering ---- */

static bool answer(struct reef_host *host, int32_t session, uint32_t source, struct reef_message *m) {
	m->type = REEF_PTYPE_RESPONSE;
	m->session = session;
	m->source = host->handle;
	return reef_send(source, m);
}

static struct reef_task *owing(lua_State *L, const char *error) {
	struct reef_task *task = reef_host_get(L)->running;
	if (!task || !(task->flags & TASK_OWES))
		luaL_error(L, error);
	task->flags &= (uint8_t)~TASK_OWES;
	if (task->flags & TASK_TAGGED)
		reef_trace_event(task, "response", NULL);
	return task;
}

/* ret([msg [, sz]]) */
int reef_core_ret(lua_State *L) {
	struct reef_message *m = reef_check_payload(L, 1);
	struct reef_task *task = reef_host_get(L)->running;
	if (!task || !(task->flags & TASK_OWES) || !task->session)
		reef_message_free(m);
	owing(L, "No session");
	lua_pushboolean(L, task->session && answer(task->host, task->session, task->source, m));
	return 1;
}

/* retpack(...) */
int reef_core_retpack(lua_State *L) {
	struct reef_message *m = reef_pack_message(L, 1);
	struct reef_task *task = reef_host_get(L)->running;
	if (!task || !(task->flags & TASK_OWES) || !task->session)
		reef_message_free(m);
	owing(L, "No session");
	lua_pushboolean(L, task->session && answer(task->host, task->session, task->source, m));
	return 1;
}

int reef_core_ignoreret(lua_State *L) {
	struct reef_task *task = reef_host_get(L)->running;
	if (!task)
		return 0;
	if (task->flags & TASK_OWES && task->session && !(task->flags & TASK_PASSED_ON))
		reef_host_left_open(task->host, task->source, task->session, task->ptype);
	task->flags &= (uint8_t)~TASK_OWES;
	return 0;
}

/* context() -> session, source */
int reef_core_context(lua_State *L) {
	const struct reef_task *task = reef_host_get(L)->running;
	if (!task || !task->ptype)
		return 0;
	if (task->flags & TASK_OWES)
		lua_pushinteger(L, task->session);
	else
		lua_pushnil(L);
	lua_pushinteger(L, task->source);
	return 2;
}

/* ---- detached answers ---- */

static void detach(struct reef_response *r) {
	if (r->prev)
		r->prev->next = r->next;
	else
		r->host->responses = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->host = NULL;
}

void reef_responses_fail(struct reef_host *host) {
	while (host->responses) {
		struct reef_response *r = host->responses;
		if (!r->dead)
			reef_send_error(host->handle, r->source, r->session, NULL);
		detach(r);
	}
}

/* Nobody can answer any more: the caller must not wait for ever. */
static int response_gc(lua_State *L) {
	struct reef_response *r = luaL_checkudata(L, 1, RESPONSE);
	if (r->host) {
		if (!r->dead)
			reef_send_error(r->host->handle, r->source, r->session, "the request was dropped without an answer");
		detach(r);
	}
	return 0;
}

static int respond(lua_State *L) {
	struct reef_response *r = lua_touserdata(L, lua_upvalueindex(1));
	const char *word = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
	if (word && strcmp(word, "TEST") == 0) {
		lua_pushboolean(L, r->host && !r->dead && reef_service_alive(r->source));
		return 1;
	}
	if (!r->host)
		return luaL_error(L, "Can't response more than once");
	struct reef_host *host = r->host;
	bool delivered = !r->dead;
	if (!lua_toboolean(L, 1)) {
		const char *reason = lua_isnoneornil(L, 2) ? NULL : luaL_tolstring(L, 2, NULL);
		if (delivered)
			reef_send_error(host->handle, r->source, r->session, reason);
		delivered = delivered && reef_service_alive(r->source);
	} else {
		struct reef_message *m;
		if (lua_isnil(L, lua_upvalueindex(2))) {
			m = reef_pack_message(L, 2);
		} else {
			lua_pushvalue(L, lua_upvalueindex(2));
			lua_insert(L, 2);
			lua_call(L, lua_gettop(L) - 2, 2);
			m = reef_check_payload(L, 2);
		}
		if (delivered && r->host)
			delivered = answer(host, r->session, r->source, m);
		else
			reef_message_free(m);
	}
	if (r->host)
		detach(r);
	lua_pushboolean(L, delivered);
	return 1;
}

static int respond_to_nobody(lua_State *L) {
	(void)L;
	return 0;
}

/* response([pack]) */
int reef_core_response(lua_State *L) {
	lua_settop(L, 1);
	struct reef_host *host = reef_host_get(L);
	struct reef_task *task = host->running;
	if (!task || !(task->flags & TASK_OWES))
		return luaL_error(L, "no session");
	if (!task->session) {
		task->flags &= (uint8_t)~TASK_OWES;
		lua_pushcfunction(L, respond_to_nobody);
		return 1;
	}
	if (lua_tocfunction(L, 1) == reef_core_pack) {
		lua_pushnil(L);
		lua_replace(L, 1);
	}
	struct reef_response *r = lua_newuserdatauv(L, sizeof(*r), 0);
	*r = (struct reef_response){.session = task->session, .source = task->source};
	if (luaL_newmetatable(L, RESPONSE)) {
		lua_pushcfunction(L, response_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, respond, 2);
	r->host = host;
	r->next = host->responses;
	if (r->next)
		r->next->prev = r;
	host->responses = r;
	task->flags &= (uint8_t)~TASK_OWES;
	return 1;
}

/* ---- payloads ---- */

int reef_core_pack(lua_State *L) {
	size_t size;
	lua_pushlightuserdata(L, reef_pack(L, 1, &size));
	lua_pushinteger(L, (lua_Integer)size);
	return 2;
}

int reef_core_packstring(lua_State *L) {
	reef_pack_string(L, 1);
	return 1;
}

static const void *bytes(lua_State *L, size_t *size) {
	*size = 0;
	if (lua_isnoneornil(L, 1))
		return NULL;
	if (lua_type(L, 1) == LUA_TSTRING)
		return lua_tolstring(L, 1, size);
	luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	lua_Integer n = luaL_checkinteger(L, 2);
	luaL_argcheck(L, n >= 0, 2, "negative size");
	*size = (size_t)n;
	return lua_touserdata(L, 1);
}

int reef_core_unpack(lua_State *L) {
	size_t size;
	const void *data = bytes(L, &size);
	if (!data)
		return 0;
	int n = reef_unpack(L, data, size);
	return n < 0 ? lua_error(L) : n;
}

int reef_core_tostring(lua_State *L) {
	size_t size;
	const void *data = bytes(L, &size);
	if (!data)
		return 0;
	lua_pushlstring(L, data, size);
	return 1;
}

int reef_core_trash(lua_State *L) {
	if (lua_type(L, 1) == LUA_TLIGHTUSERDATA)
		reef_free(lua_touserdata(L, 1));
	return 0;
}
