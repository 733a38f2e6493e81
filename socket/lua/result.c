/* See result.h. */
#include "result.h"

#include <lauxlib.h>

#include "reader.h"

void reef_result_push(lua_State *L, struct reef_result *p) {
	p->count = 1;
	switch (p->kind) {
	case REEF_RESULT_NONE:
		p->count = 0;
		break;
	case REEF_RESULT_TRUE:
		lua_pushboolean(L, 1);
		break;
	case REEF_RESULT_ID:
		lua_pushinteger(L, (lua_Integer)p->n);
		break;
	case REEF_RESULT_BYTES:
		lua_pushlstring(L, p->bytes, p->n);
		break;
	case REEF_RESULT_FALSE:
		lua_pushboolean(L, 0);
		break;
	case REEF_RESULT_FALSE_BYTES:
		lua_pushboolean(L, 0);
		lua_pushlstring(L, p->bytes, p->n);
		p->count = 2;
		break;
	case REEF_RESULT_NIL_BYTES:
		lua_pushnil(L);
		lua_pushlstring(L, p->bytes, p->n);
		p->count = 2;
		break;
	case REEF_RESULT_TAKEN:
		p->count = p->taker->give(p->taker, L, p->over);
		break;
	}
}

static int push_protected(lua_State *L) {
	struct reef_result *p = lua_touserdata(L, 1);
	luaL_checkstack(L, 3, NULL);
	reef_result_push(L, p);
	if (!lua_checkstack(p->to, p->count))
		return luaL_error(L, "stack overflow");
	lua_xmove(L, p->to, p->count);
	return 0;
}

bool reef_result_give(struct reef_host *host, struct reef_task *task, struct reef_result *result) {
	lua_State *L = reef_host_main(host);
	result->to = reef_task_thread(task);
	lua_pushcfunction(L, push_protected);
	lua_pushlightuserdata(L, result);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return true;
	lua_xmove(L, result->to, 1);
	return false;
}

inline void reef_result_wake(struct reef_task *task, bool ok, int count, bool at_once) {
	if (ok && at_once)
		reef_task_resume(task, count);
	else if (ok)
		reef_task_wake(task, count);
	else if (at_once)
		reef_task_fail(task);
	else
		reef_task_wake_fail(task);
}
