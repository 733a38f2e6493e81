/* Functions for Lua that answer the request of the running coroutine. Own slice only. */
#include "lua_answer.h"

#include <lauxlib.h>

#include "answer.h"
#include "host_private.h"
#include "pack.h"
#include "payload.h"
#include "trace.h"

static struct reef_task *task_owing(lua_State *L, const char *error) {
	struct reef_task *task = reef_host_get(L)->running;
	if (!task || !(task->flags & TASK_OWES))
		luaL_error(L, error);
	task->flags &= (uint8_t)~TASK_OWES;
	if (task->flags & TASK_TAGGED)
		reef_trace_event(task, "response", NULL);
	return task;
}

static int answer_with(lua_State *L, struct reef_message *m) {
	struct reef_task *task = reef_host_get(L)->running;
	if (!task || !(task->flags & TASK_OWES) || !task->session)
		reef_message_free(m);
	task_owing(L, "No session");
	lua_pushboolean(L, task->session && reef_answer_send(task->host, task->session, task->source, m));
	return 1;
}

/* ret([msg [, sz]]) */
int reef_lua_answer_ret(lua_State *L) {
	return answer_with(L, reef_payload_check(L, 1));
}

/* retpack(...) */
int reef_lua_answer_retpack(lua_State *L) {
	return answer_with(L, reef_pack_message(L, 1));
}

int reef_lua_answer_ignoreret(lua_State *L) {
	struct reef_task *task = reef_host_get(L)->running;
	if (!task)
		return 0;
	if (task->flags & TASK_OWES && task->session && !(task->flags & TASK_PASSED_ON))
		reef_answer_left_open(task->host, task->source, task->session, task->ptype);
	task->flags &= (uint8_t)~TASK_OWES;
	return 0;
}

/* context() -> session, source */
int reef_lua_answer_context(lua_State *L) {
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
