/* Tracing.
 *
 * A task's tag lies in a table of the registry under its thread: a string, or false where its protocol forbids tracing.
 * Only tasks with the flag TASK_TAGGED come here, so what is not traced pays for one test of a bit. Own slice only; the
 * table is made with the first tag. */
#include "trace.h"
#include "core/send.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/message.h"
#include "host_private.h"
#include "name_check.h"
#include "protocol.h"
#include "spans.h"
#include "target.h"
#include "trace_span.h"

enum { TAG_SIZE = 64, LINE_SIZE = 1024, LEVELS = 3 };

/* Addresses are keys of the registry: thread -> tag, and source -> tag that it announced. */
static char tags, announced;

static bool push_tags(lua_State *L, char *key, bool make) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
		return true;
	if (!make)
		return false;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
	return true;
}

/* Puts the value on top of host->L into the table of tags. */
static void set_tag(struct reef_task *task) {
	lua_State *L = task->host->L;
	push_tags(L, &tags, true);
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
	lua_pushvalue(L, -3);
	lua_rawset(L, -3);
	lua_pop(L, 2);
	task->flags |= TASK_TAGGED;
}

/* Pushes the task's tag onto host->L; false if there is none. */
static bool trace_push_tag(struct reef_task *task) {
	lua_State *L = task->host->L;
	if (!push_tags(L, &tags, false)) {
		lua_pop(L, 1);
		return false;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
	lua_rawget(L, -2);
	lua_remove(L, -2);
	if (lua_type(L, -1) == LUA_TSTRING)
		return true;
	lua_pop(L, 1);
	return false;
}

static void trace_write(struct reef_host *host, const char *tag, const char *text, lua_State *L, int level) {
	char line[LINE_SIZE];
	int size = snprintf(line, sizeof line, "<TRACE %s> %" PRIu64 " %s", tag, reef_now_ns(), text);
	const char *separator = " : ";
	lua_Debug ar;
	for (int found = 0; L && found < LEVELS && size < LINE_SIZE && lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline < 0)
			continue;
		size += snprintf(line + size, (size_t)(LINE_SIZE - size), "%s%s:%d", separator, ar.short_src, ar.currentline);
		separator = " ";
		found++;
	}
	reef_log_bytes(host->handle, line, strlen(line));
}

static void new_tag(struct reef_host *host) {
	char tag[TAG_SIZE];
	snprintf(tag, sizeof tag, ":%08x-%" PRIu32, host->handle, ++host->trace_count);
	lua_pushstring(host->L, tag);
}

/* W3C Trace Context, section 3.2: version, trace-id, parent-id, flags. False: this is none, or one that is not sampled. */
static bool parse_parent(const char *text, struct reef_trace_carried *carried) {
	unsigned long long high, low, parent;
	unsigned version, flags;
	if (strlen(text) < 55 || strspn(text, "0123456789abcdef-") < 55 || text[2] != '-' || text[35] != '-' ||
		text[52] != '-' || sscanf(text, "%2x-%16llx%16llx-%16llx-%2x", &version, &high, &low, &parent, &flags) != 5)
		return false;
	if (version == 0xff || (high | low) == 0 || parent == 0 || !(flags & 1))
		return false;
	*carried = (struct reef_trace_carried){.trace = {high, low}, .parent = parent, .remote = 1, .quiet = 1};
	return true;
}

/* Behind what other nodes are told of a trace that leaves no lines in the log. */
#define QUIET " quiet"

/* What was announced: a tag; behind a zero byte what our own services send, behind a space what other nodes do. Pushes the
 * tag alone onto L. */
static bool split(lua_State *L, const char *text, size_t size, struct reef_trace_carried *carried) {
	size_t n = strlen(text);
	if (n + 1 + sizeof *carried == size) {
		memcpy(carried, text + n + 1, sizeof *carried);
		lua_pushlstring(L, text, n);
		return true;
	}
	const char *space = strchr(text, ' ');
	if (space && parse_parent(space + 1, carried)) {
		carried->quiet = strchr(space + 1, ' ') != NULL;
		lua_pushlstring(L, text, (size_t)(space - text));
		return true;
	}
	lua_pushlstring(L, text, size);
	return false;
}

void reef_trace_announced(struct reef_host *host, const struct reef_message *m) {
	lua_State *L = host->L;
	push_tags(L, &announced, true);
	lua_pushlstring(L, m->data, m->size);
	lua_rawseti(L, -2, m->source);
	lua_pop(L, 1);
	host->trace_pending++;
}

void reef_trace_request(struct reef_task *task, const struct reef_protocol *protocol) {
	struct reef_host *host = task->host;
	lua_State *L = host->L;
	int top = lua_gettop(L);
	if (protocol->trace == 0) {
		lua_pushboolean(L, 0);
		set_tag(task);
		return;
	}
	if (host->trace_pending && push_tags(L, &announced, false)) {
		if (lua_rawgeti(L, -1, task->source) == LUA_TSTRING) {
			lua_pushnil(L);
			lua_rawseti(L, -3, task->source);
			host->trace_pending--;
			struct reef_trace_carried carried;
			size_t size;
			const char *text = lua_tolstring(L, -1, &size);
			bool has_parent = split(L, text, size, &carried);
			set_tag(task);
			if (has_parent && reef_spans_on())
				reef_trace_span_begin(task, &carried, false);
		}
	}
	lua_settop(L, top);
	if (!(task->flags & TASK_TAGGED) && protocol->trace == 1) {
		new_tag(host);
		set_tag(task);
		if (reef_spans_pick())
			reef_trace_span_begin(task, NULL, false);
	}
	if (!(task->flags & TASK_TAGGED) && protocol->trace == REEF_TRACE_SAMPLED && reef_spans_pick()) {
		new_tag(host);
		set_tag(task);
		reef_trace_span_begin(task, NULL, true);
	}
	if (task->flags & TASK_TAGGED)
		reef_trace_event(task, "request", NULL);
}

void reef_trace_event(struct reef_task *task, const char *event, lua_State *L) {
	struct reef_host *host = task->host;
	if (!trace_push_tag(task))
		return;
	if (reef_trace_span_is_quiet(task)) {
		lua_pop(host->L, 1);
		return;
	}
	trace_write(host, lua_tostring(host->L, -1), event, L, 1);
	lua_pop(host->L, 1);
}

void reef_trace_call(struct reef_task *task, struct reef_target target, lua_State *L) {
	struct reef_host *host = task->host;
	if (!trace_push_tag(task))
		return;
	size_t size;
	const char *tag = lua_tolstring(host->L, -1, &size);
	struct reef_trace_carried carried;
	reef_trace_span_wait(task, NULL, "call", target.handle);
	bool has_span = reef_trace_span_carry(task, &carried);
	if (!has_span || !carried.quiet)
		trace_write(host, tag, "call", L, 1);
	struct reef_message *m = reef_message_new(has_span ? size + 1 + sizeof carried : size);
	memcpy(m->data, tag, size);
	if (has_span) {
		((char *)m->data)[size] = '\0';
		memcpy((char *)m->data + size + 1, &carried, sizeof carried);
	}
	m->type = REEF_PTYPE_TRACE;
	m->session = 0;
	m->source = 0;
	reef_target_deliver(host, target, m);
	lua_pop(host->L, 1);
}

void reef_trace_wait(struct reef_task *task, const char *of, const char *what) {
	reef_trace_span_wait(task, of, what, 0);
}

void reef_trace_resume(struct reef_task *task, bool failed) {
	size_t size = 0;
	const char *error = failed && lua_type(task->L, -1) == LUA_TSTRING ? lua_tolstring(task->L, -1, &size)
						: failed                                       ? "failed"
																	   : NULL;
	reef_trace_span_resume(task, error, size > 0 ? size : error ? strlen(error) : 0);
}

void reef_trace_failed(struct reef_task *task) {
	size_t size = 0;
	const char *error = lua_type(task->L, -1) == LUA_TSTRING ? lua_tolstring(task->L, -1, &size) : NULL;
	reef_trace_event(task, "error", NULL);
	reef_trace_span_end(task, error ? error : "an error object", error ? size : sizeof("an error object") - 1);
}

void reef_trace_forget(struct reef_task *task) {
	reef_trace_span_end(task, NULL, 0);
	lua_pushnil(task->host->L);
	set_tag(task);
	task->flags &= (uint8_t)~TASK_TAGGED;
}

/* trace(tag, text [, coroutine or level]) */
int reef_trace_line(lua_State *L) {
	const char *tag = reef_check_name(L, 1);
	const char *text = reef_check_name(L, 2);
	lua_State *where = NULL;
	int level = 0;
	if (lua_isthread(L, 3)) {
		where = lua_tothread(L, 3);
	} else if (!lua_isnoneornil(L, 3)) {
		where = L;
		level = (int)luaL_checkinteger(L, 3);
	}
	trace_write(reef_host_get(L), tag, text, where, level);
	return 0;
}

/* tracetag() -> tag of the running coroutine; false where tracing is forbidden */
int reef_trace_tag(lua_State *L) {
	struct reef_task *task = reef_host_get(L)->running;
	if (!task || !(task->flags & TASK_TAGGED))
		return 0;
	push_tags(L, &tags, true);
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
	lua_rawget(L, -2);
	return 1;
}

static bool push_parent(lua_State *L, struct reef_task *task) {
	struct reef_trace_carried carried;
	if (!(task->flags & TASK_TAGGED) || !reef_trace_span_carry(task, &carried))
		return false;
	char text[64];
	int n = snprintf(text, sizeof text, "00-%016llx%016llx-%016llx-01", (unsigned long long)carried.trace[0],
					 (unsigned long long)carried.trace[1], (unsigned long long)carried.parent);
	lua_pushlstring(L, text, (size_t)n);
	return true;
}

/* context() -> the running coroutine's span as a traceparent of W3C; nil if it has none. context(traceparent): its request goes
 * on with that trace, if it has none and spans are noted; whether it does. */
int reef_trace_context(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_task *task = host->running;
	struct reef_trace_carried carried;
	if (!task)
		return 0;
	if (lua_isnoneornil(L, 1))
		return push_parent(L, task);
	if ((task->flags & TASK_TAGGED) || !reef_spans_on() || !parse_parent(luaL_checkstring(L, 1), &carried))
		return 0;
	new_tag(host);
	set_tag(task);
	reef_trace_span_begin(task, &carried, true);
	lua_pushboolean(L, 1);
	return 1;
}

/* tracewire() -> the tag of the running coroutine as other nodes get it: with its span, if it has one */
int reef_trace_wire(lua_State *L) {
	if (reef_trace_tag(L) == 0 || lua_type(L, -1) != LUA_TSTRING)
		return 0;
	lua_pushliteral(L, " ");
	struct reef_task *task = reef_host_get(L)->running;
	if (push_parent(L, task)) {
		lua_pushstring(L, reef_trace_span_is_quiet(task) ? QUIET : "");
		lua_concat(L, 4);
	} else {
		lua_pop(L, 1);
	}
	return 1;
}

/* newtag() -> a tag of this service, which the running coroutine has from now on */
int reef_trace_newtag(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_task *task = host->running;
	if (!task)
		return luaL_error(L, "only a coroutine of the service can be traced");
	new_tag(host);
	lua_pushstring(L, lua_tostring(host->L, -1));
	if (L == host->L)
		lua_insert(L, -2);
	set_tag(task);
	if (reef_spans_pick() && !reef_trace_span_carry(task, &(struct reef_trace_carried){0}))
		reef_trace_span_begin(task, NULL, false);
	return 1;
}

/* traceproto(type, flag); "sampled": some requests become spans, without lines in the log */
int reef_trace_protocol(lua_State *L) {
	struct reef_protocol *protocol = reef_protocol_check(L, 1);
	if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "sampled") == 0)
		protocol->trace = REEF_TRACE_SAMPLED;
	else
		protocol->trace = lua_isnoneornil(L, 2) ? -1 : (int8_t)lua_toboolean(L, 2);
	return 0;
}
