/* See answer.h. */
#include "answer.h"

#include <lauxlib.h>

#include "special.h"

/* Pushes an error object on `to`; whoever makes it learns of the error by that. */
static void push_rejection(const struct reef_redis_answer *answer, lua_State *to, const char *text) {
	const struct reef_failure failure = {
			.code = "rejected", .outcome = "rejected", .command = answer->command, .why = text};
	reef_failure_push(answer->build, answer->failure, to, &failure);
}

/* Fails the task with the server's error. */
static void reject(const struct reef_redis_answer *answer, struct reef_task *task) {
	lua_State *to = reef_task_thread(task);
	const char *text = lua_tostring(answer->build, answer->index);
	if (answer->kind & REEF_REDIS_OBJECTS) {
		push_rejection(answer, to, text);
	} else {
		if (reef_redis_is_useless(text)) {
			push_rejection(answer, to, text);
			lua_pop(to, 1);
		}
		luaL_where(to, 1);
		lua_pushstring(to, text);
		lua_concat(to, 2);
	}
	reef_task_fail(task);
}

void reef_redis_answer(const struct reef_redis_answer *answer, struct reef_task *task) {
	if (answer->reply == REEF_REDIS_ERROR) {
		reject(answer, task);
		return;
	}
	lua_State *to = reef_task_thread(task), *build = answer->build;
	if ((answer->kind & REEF_REDIS_BOOLEAN) && lua_isinteger(build, answer->index)) {
		lua_pushboolean(to, lua_tointeger(build, answer->index) != 0);
	} else {
		lua_pushvalue(build, answer->index);
		lua_xmove(build, to, 1);
	}
	if (answer->reply == REEF_REDIS_INNER_ERROR)
		reef_task_fail(task);
	else
		reef_task_resume(task, 1);
}

void reef_redis_collect(const struct reef_redis_answer *answer, int ref) {
	lua_State *L = answer->build;
	if (answer->reply == REEF_REDIS_ERROR && reef_redis_is_useless(lua_tostring(L, answer->index))) {
		push_rejection(answer, L, lua_tostring(L, answer->index));
		lua_pop(L, 1);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
	lua_createtable(L, 0, 2);
	lua_pushboolean(L, answer->reply == REEF_REDIS_VALUE);
	lua_setfield(L, -2, "ok");
	lua_pushvalue(L, answer->index);
	lua_setfield(L, -2, "out");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

void reef_redis_finish_collection(lua_State *build, struct reef_task *task, int ref) {
	lua_State *to = reef_task_thread(task);
	lua_rawgeti(to, LUA_REGISTRYINDEX, ref);
	luaL_unref(build, LUA_REGISTRYINDEX, ref);
	reef_task_resume(task, 1);
}
