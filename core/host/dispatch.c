/* Messages to coroutines.
 *
 * Nothing in Lua lies between a message and the user's handler: for a request the protocol's function, session, source
 * and the unpacked values are put on the stack of a task from the pool, which is resumed; a reply is unpacked straight
 * onto the stack of the task that waits for it. Decoding and pushing happen outside any protected call, therefore with
 * an allocator that does not fail (`no_limit`); the limit is felt at the next allocation inside the task.
 *
 * Own slice only. */
#include "host_private.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/send.h"
#include "core/service.h"
#include "serialise.h"
#include "trace_private.h"

/* ---- protocols ---- */

struct reef_protocol *reef_protocol_by_id(struct reef_host *host, int id) {
	for (int i = 0; i < host->protocol_count; i++)
		if (host->protocols[i].id == id)
			return &host->protocols[i];
	return NULL;
}

struct reef_protocol *reef_protocol_by_name(struct reef_host *host, const char *name, size_t size) {
	for (int i = 0; i < host->protocol_count; i++)
		if (host->protocols[i].name_size == size && memcmp(host->protocols[i].name, name, size) == 0)
			return &host->protocols[i];
	return NULL;
}

struct reef_protocol *reef_protocol_add(struct reef_host *host, const char *name, int id) {
	size_t size = (size_t)(host->protocol_count + 1) * sizeof(*host->protocols);
	host->protocols = reef_realloc(host->protocols, size);
	struct reef_protocol *protocol = &host->protocols[host->protocol_count++];
	*protocol = (struct reef_protocol){
			.name = reef_strdup(name), .name_size = strlen(name), .id = (uint8_t)id, .trace = -1};
	return protocol;
}

void reef_protocols_fini(struct reef_host *host) {
	for (int i = 0; i < host->protocol_count; i++)
		reef_free(host->protocols[i].name);
	reef_free(host->protocols);
	host->protocols = NULL;
	host->protocol_count = 0;
}

/* ---- errors ---- */

void reef_host_settled(struct reef_host *host, uint32_t source, int32_t session) {
	struct reef_task *task = host->running;
	if (task && task->session == session && task->source == source)
		task->flags |= TASK_PASSED_ON;
	if (host->raw_session == session && host->raw_source == source)
		host->raw_session = 0;
	reef_debts_remove(&host->debts, source, session);
}

void reef_host_left_open(struct reef_host *host, uint32_t source, int32_t session, int type) {
	if (session == host->lost_session && source == host->lost_source)
		reef_send_error(host->handle, source, session, "it was redirected to a service that does not exist");
	else
		reef_debts_add(&host->debts, source, session, type);
}

void reef_task_answer_error(struct reef_task *task, const char *reason) {
	if (task->flags & TASK_OWES && task->session)
		reef_send_error(task->host->handle, task->source, task->session, reason);
	task->flags &= (uint8_t)~TASK_OWES;
}

void reef_host_flush_errors(struct reef_host *host, const struct reef_message *m) {
	if (!host->errors)
		return;
	static const struct reef_message none;
	if (!m)
		m = &none;
	char head[96];
	snprintf(head, sizeof head, "lua call [%x to :%x : %d msgsz = %zu] error : ", m->source, host->handle, m->session,
			 m->size);
	reef_log_error(host->handle, head, host->errors, host->errors_size);
	reef_free(host->errors);
	host->errors = NULL;
	host->errors_size = 0;
}

/* ---- replies ---- */

/* After a rush of timers the table of their functions is given back with the entries. */
static void close_session(struct reef_host *host, struct reef_session *entry) {
	reef_sessions_remove(&host->sessions, entry);
	if (host->sessions.capacity == 0) {
		lua_newtable(host->L);
		lua_rawseti(host->L, LUA_REGISTRYINDEX, host->functions);
	}
}

enum { LARGE = 64 * 1024 }; /* bytes of a payload whose values may well find no memory */

/* Arguments: codec, message. */
static int decode(lua_State *L) {
	int codec = (int)lua_tointeger(L, 1);
	const struct reef_message *m = lua_touserdata(L, 2);
	lua_settop(L, 0);
	if (codec == CODEC_STRING)
		lua_pushlstring(L, m->data, m->size);
	else if (reef_unpack(L, m->data, m->size) < 0)
		return lua_error(L);
	return lua_gettop(L);
}

/* The same as push_values, for what is large: on the main thread, where it can be protected. */
static int push_large(struct reef_host *host, lua_State *to, int codec, struct reef_message *m) {
	lua_State *L = host->L;
	int top = lua_gettop(L);
	lua_pushcfunction(L, decode);
	lua_pushinteger(L, codec);
	lua_pushlightuserdata(L, m);
	int status = lua_pcall(L, 2, LUA_MULTRET, 0);
	int n = lua_gettop(L) - top;
	if (status == LUA_OK && !lua_checkstack(to, n + LUA_MINSTACK)) {
		lua_settop(L, top);
		lua_pushliteral(L, "not enough memory");
		status = LUA_ERRMEM;
		n = 1;
	}
	lua_xmove(L, to, n);
	return status == LUA_OK ? n : -1;
}

/* Pushes the values of a message; returns how many, or -1 with an error text instead. */
static int push_values(lua_State *L, int codec, const struct reef_message *m) {
	if (m->size > LARGE && (codec == CODEC_LUA || codec == CODEC_STRING))
		return push_large(reef_host_get(L), L, codec, (struct reef_message *)m);
	switch (codec) {
	case CODEC_LUA:
		return reef_unpack(L, m->data, m->size);
	case CODEC_STRING:
		lua_pushlstring(L, m->data, m->size);
		return 1;
	default:
		lua_pushlightuserdata(L, m->data);
		lua_pushinteger(L, (lua_Integer)m->size);
		return 2;
	}
}

static void reply_to_task(struct reef_host *host, const struct reef_session *entry, const struct reef_message *m) {
	struct reef_task *task = entry->ptr;
	const struct reef_protocol *protocol = NULL;
	int codec = CODEC_NONE, n = 0;
	if (entry->kind == SESSION_CALL) {
		protocol = reef_protocol_by_id(host, entry->ptype);
		codec = protocol ? protocol->unpacks : CODEC_NONE;
	}
	task->awaited = 0;
	if (task->flags & TASK_TAGGED)
		reef_trace_event(task, "resume", NULL);
	if (codec == CODEC_USER) {
		/* Its function runs inside the task, where it may raise. */
		task->flags |= TASK_UNPACK;
		task->unpack = entry->ptype;
	} else {
		n = push_values(task->L, codec, m);
		if (n < 0) {
			task->flags |= TASK_FAIL;
			n = 1;
		}
	}
	reef_task_run(task, n);
}

/* Takes the function of that session out of the table, onto the task's stack. */
static void push_function(struct reef_task *task, uint32_t index) {
	lua_State *L = task->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->host->functions);
	lua_rawgeti(L, -1, (lua_Integer)index + 1);
	lua_pushboolean(L, 0);
	lua_rawseti(L, -3, (lua_Integer)index + 1);
	lua_remove(L, -2);
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
	struct reef_task *task = reef_task_new(host);
	lua_State *L = task->L;
	const struct reef_protocol *protocol = reef_protocol_by_id(host, ptype);
	push_function(task, index);
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
		*n = 1 + push_values(L, protocol ? protocol->unpacks : CODEC_NONE, m);
		if (*n == 0) {
			lua_pushboolean(L, 0);
			lua_replace(L, 2);
			*n = 2;
		}
	}
	return task;
}

/* Calls a hook of the user's; what it raises joins the turn's report: false. Function and arguments lie on host->L. */
static bool call_hook(struct reef_host *host, int arguments) {
	lua_State *active = host->active;
	host->no_limit = false;
	host->active = host->L;
	int status = lua_pcall(host->L, arguments, 0, 0);
	host->active = active;
	host->no_limit = true;
	if (status != LUA_OK) {
		if (!host->exiting) {
			reef_task_report(host, host->L);
			lua_pop(host->L, 1);
		}
		lua_pop(host->L, 1);
	}
	return status == LUA_OK;
}

static void push_error(struct reef_host *host, const char *text) {
	lua_pushstring(host->L, text);
	reef_task_report(host, host->L);
	lua_pop(host->L, 2);
}

static void unknown(struct reef_host *host, int hook, const char *what, const struct reef_message *m) {
	lua_State *L = host->L;
	/* Whoever ended was not waited for any more. */
	if (m->type == REEF_PTYPE_RESPONSE && m->source != 0 && !reef_service_alive(m->source))
		return;
	if (hook) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, hook);
		lua_pushinteger(L, m->session);
		lua_pushinteger(L, m->source);
		lua_pushlightuserdata(L, m->data);
		lua_pushinteger(L, (lua_Integer)m->size);
		lua_pushinteger(L, m->type);
		call_hook(host, 5);
		return;
	}
	char text[80];
	reef_log(host->handle, "%s (type %d): %.*s", what, m->type, (int)(m->size > 200 ? 200 : m->size),
			 m->data ? (const char *)m->data : "");
	snprintf(text, sizeof(text), "Unknown session : %d from %x", m->session, m->source);
	push_error(host, text);
}

static void on_response(struct reef_host *host, const struct reef_message *m) {
	struct reef_session *found = reef_sessions_find(&host->sessions, m->session);
	if (!found) {
		unknown(host, host->unknown_response, "Unknown response", m);
		return;
	}
	struct reef_session entry = *found;
	uint32_t index = reef_sessions_index(&host->sessions, found);
	struct reef_task *task = entry.ptr;
	int n;
	switch (entry.kind) {
	case SESSION_CALL:
	case SESSION_RAW_CALL:
		close_session(host, found);
		reply_to_task(host, &entry, m);
		break;
	case SESSION_SLEEP:
		close_session(host, found);
		task->awaited = 0;
		if (task->flags & TASK_TAGGED)
			reef_trace_event(task, "resume", NULL);
		reef_task_run(task, 0);
		break;
	case SESSION_START:
		close_session(host, found);
		task->awaited = 0;
		reef_task_run(task, lua_gettop(task->L) - 1);
		break;
	case SESSION_FUNCTION:
		task = reef_task_new(host);
		push_function(task, index);
		close_session(host, found);
		reef_task_run(task, 0);
		break;
	case SESSION_POST:
		task = posted_task(host, index, m, entry.ptype, &n);
		close_session(host, found);
		reef_task_run(task, n);
		break;
	case SESSION_TIMER: {
		struct reef_c_timer timer = *(struct reef_c_timer *)entry.ptr;
		reef_free(entry.ptr);
		close_session(host, found);
		timer.handler(host, timer.ud);
		break;
	}
	case SESSION_REPLY: {
		struct reef_host_reply *reply = entry.ptr;
		close_session(host, found);
		reply->arrived(reply, true, m->data, m->size);
		break;
	}
	default:
		close_session(host, found);
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
		task = posted_task(host, reef_sessions_index(&host->sessions, found), NULL, entry.ptype, &n);
		lua_pushlstring(task->L, reason, size);
		reef_task_fork(task);
		break;
	case SESSION_REPLY: {
		struct reef_host_reply *reply = entry.ptr;
		close_session(host, found);
		reply->arrived(reply, false, reason, size);
		return;
	}
	case SESSION_BREAK:
		break;
	default: /* timers do not fail */
		return;
	}
	close_session(host, found);
}

void reef_dispatch_down(struct reef_host *host, uint32_t source) {
	for (struct reef_response *r = host->responses; r; r = r->next)
		if (r->source == source)
			r->dead = true;
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

static void on_error(struct reef_host *host, const struct reef_message *m) {
	if (m->session == 0) {
		reef_dispatch_down(host, m->source);
		return;
	}
	struct reef_session *entry = reef_sessions_find(&host->sessions, m->session);
	if (entry && m->flags & REEF_MESSAGE_OWN && entry->dest != m->source && entry->dest != 0)
		return;
	if (entry)
		fail_session(host, entry, m->data, m->size);
}

/* ---- requests ---- */

static int finished(lua_State *L, int status, lua_KContext context) {
	(void)L;
	(void)status;
	(void)context;
	return 0;
}

/* A request whose protocol has an unpack function in Lua begins here: handler, session, source, unpack, bytes, size. */
static int user_request(lua_State *L) {
	lua_call(L, 2, LUA_MULTRET);
	lua_callk(L, lua_gettop(L) - 1, 0, 0, finished);
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
	lua_callk(L, lua_gettop(L) - 1, 0, 0, finished);
	return 0;
}

static void refuse(struct reef_host *host, const struct reef_message *m) {
	if (m->session) {
		char reason[80];
		snprintf(reason, sizeof(reason), "no dispatch for messages of type %d", m->type);
		reef_send_error(host->handle, m->source, m->session, reason);
		return;
	}
	unknown(host, host->unknown_request, "Unknown request", m);
}

static void on_request(struct reef_host *host, const struct reef_message *m) {
	const struct reef_protocol *protocol =
			m->type == REEF_PTYPE_LUA ? host->protocols : reef_protocol_by_id(host, m->type);
	if (!protocol || (!protocol->dispatch && m->type != REEF_PTYPE_DEBUG)) {
		refuse(host, m);
		return;
	}
	struct reef_task *task = reef_task_new(host);
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
		int values = push_values(L, protocol->unpacks, m);
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

void reef_dispatch(struct reef_host *host, struct reef_message *m) {
	const struct reef_message *outer = host->incoming;
	bool no_limit = host->no_limit;
	host->incoming = m;
	host->no_limit = true;
	switch (m->type) {
	case REEF_PTYPE_RESPONSE:
		on_response(host, m);
		break;
	case REEF_PTYPE_ERROR:
		on_error(host, m);
		break;
	case REEF_PTYPE_TRACE:
		reef_trace_announced(host, m);
		break;
	default:
		on_request(host, m);
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
	bool ok = call_hook(host, 5);
	host->from = NULL;
	host->no_limit = false;
	if (host->raw_session && !ok)
		reef_send_error(host->handle, host->raw_source, host->raw_session, "the message's callback raised an error");
	else if (host->raw_session)
		reef_host_left_open(host, host->raw_source, host->raw_session, m->type);
	host->raw_session = 0;
}

void reef_host_callback(struct reef_service *service, void *ud, struct reef_message *m) {
	(void)service;
	struct reef_host *host = ud;
	reef_host_enter(host);
	if (host->raw_callback)
		raw_callback(host, m);
	else
		reef_dispatch(host, m);
	reef_task_turn(host);
	if (host->errors)
		reef_host_flush_errors(host, m);
	reef_host_leave(host);
}

static void intercepted(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	if (!host->intercept(host->intercept_ud, m))
		reef_host_callback(service, ud, m);
}

void reef_host_intercept(struct reef_host *host, bool (*take)(void *ud, struct reef_message *m), void *ud) {
	host->intercept = take;
	host->intercept_ud = ud;
	reef_service_set_callback(host->service, intercepted, host);
}
