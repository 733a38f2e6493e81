/* Spans of tasks: see trace_span.h. A table in the registry has the record of each, a userdata, under its thread. */
#include "trace_span.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "host_private.h"
#include "protocol.h"
#include "spans.h"

struct record {
	struct reef_span request, wait; /* wait.id 0: it waits for nothing */
	bool quiet;
};

static char records;

static void push_records(lua_State *L) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &records) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &records);
}

static struct record *record_of(struct reef_task *task) {
	lua_State *L = task->host->L;
	struct record *record = NULL;
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &records) == LUA_TTABLE) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
		lua_rawget(L, -2);
		record = lua_touserdata(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return record;
}

static void copy_text(char *to, size_t room, const char *from, size_t size) {
	size_t n = from == NULL ? 0 : size < room ? size : room - 1;
	if (n > 0)
		memcpy(to, from, n);
	to[n] = '\0';
}

void reef_trace_span_begin(struct reef_task *task, const struct reef_trace_carried *carried, bool quiet) {
	struct reef_host *host = task->host;
	lua_State *L = host->L;
	const struct reef_protocol *protocol = task->ptype ? reef_protocol_by_id(host, task->ptype) : NULL;
	push_records(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
	struct record *record = lua_newuserdatauv(L, sizeof(*record), 0);
	uint64_t now = reef_now_ns();
	*record = (struct record){.quiet = carried ? carried->quiet : quiet};
	struct reef_span *span = &record->request;
	span->kind = REEF_SPAN_REQUEST;
	span->id = reef_spans_new_id();
	span->start_ns = now;
	span->service = host->handle;
	span->peer = task->source;
	if (carried) {
		memcpy(span->trace, carried->trace, sizeof span->trace);
		span->parent = carried->parent;
		span->remote = carried->remote;
		span->queued_ns = carried->sent_ns && carried->sent_ns < now ? now - carried->sent_ns : 0;
	} else {
		span->trace[0] = reef_spans_new_id();
		span->trace[1] = reef_spans_new_id();
	}
	const char *name = protocol ? protocol->name : "task";
	copy_text(span->name, sizeof span->name, name, strlen(name));
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

bool reef_trace_span_is_quiet(struct reef_task *task) {
	const struct record *record = record_of(task);
	return record && record->quiet;
}

void reef_trace_span_wait(struct reef_task *task, const char *of, const char *what, uint32_t peer) {
	struct record *record = record_of(task);
	if (!record)
		return;
	struct reef_span *span = &record->wait;
	*span = (struct reef_span){.id = reef_spans_new_id(), .parent = record->request.id, .start_ns = reef_now_ns()};
	memcpy(span->trace, record->request.trace, sizeof span->trace);
	span->kind = peer ? REEF_SPAN_CALL : REEF_SPAN_WAIT;
	span->service = task->host->handle;
	span->peer = peer;
	snprintf(span->name, sizeof span->name, "%s%s%s", of ? of : "", of ? " " : "", what ? what : "something");
}

void reef_trace_span_resume(struct reef_task *task, const char *error, size_t size) {
	struct record *record = record_of(task);
	if (!record || record->wait.id == 0)
		return;
	struct reef_span *span = &record->wait;
	span->end_ns = reef_now_ns();
	span->failed = error != NULL;
	copy_text(span->error, sizeof span->error, error, size);
	reef_spans_put(span);
	span->id = 0;
}

bool reef_trace_span_carry(struct reef_task *task, struct reef_trace_carried *carried) {
	const struct record *record = record_of(task);
	if (!record)
		return false;
	*carried = (struct reef_trace_carried){.sent_ns = reef_now_ns(), .quiet = record->quiet};
	memcpy(carried->trace, record->request.trace, sizeof carried->trace);
	carried->parent = record->wait.id ? record->wait.id : record->request.id;
	return true;
}

void reef_trace_span_end(struct reef_task *task, const char *error, size_t size) {
	struct record *record = record_of(task);
	if (!record)
		return;
	reef_trace_span_resume(task, error, size);
	struct reef_span *span = &record->request;
	span->end_ns = reef_now_ns();
	span->failed = error != NULL;
	copy_text(span->error, sizeof span->error, error, size);
	reef_spans_put(span);
	lua_State *L = task->host->L;
	push_records(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
	lua_pushnil(L);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}
