/* See answer.h. */
#include "answer.h"

#include <lauxlib.h>

#include "core/host/own_files.h"
#include "sharetable/overlay/model.h"
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
		reef_own_where_user(to);
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

/* What each result of a pipeline is made after: in the registry, the user value of this. */
struct result_model {
	const void *table;
	int ok, out;
};

static const char model_key;

static const struct result_model *result_model(lua_State *L) {
	lua_rawgetp(L, LUA_REGISTRYINDEX, &model_key);
	struct result_model *model = lua_touserdata(L, -1);
	if (model == NULL) {
		lua_createtable(L, 0, 2);
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "ok");
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "out");
		model = lua_newuserdatauv(L, sizeof(*model), 1);
		model->table = lua_topointer(L, -2);
		lua_pushliteral(L, "ok");
		model->ok = reef_model_place(L, model->table);
		lua_pushliteral(L, "out");
		model->out = reef_model_place(L, model->table);
		lua_pop(L, 2);
		lua_insert(L, -2);
		lua_setiuservalue(L, -2, 1);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &model_key);
		lua_remove(L, -2);
	}
	lua_pop(L, 1);
	return model;
}

/* Pushes the result for the reply at `index`. */
static void push_result(lua_State *L, const struct result_model *model, int index, bool ok) {
	const void *result = reef_model_push(L, model->table);
	lua_pushboolean(L, ok);
	reef_model_put(L, result, model->ok);
	if (lua_isnil(L, index)) {
		reef_model_clear(result, model->out);
	} else {
		lua_pushvalue(L, index);
		reef_model_put(L, result, model->out);
	}
}

void reef_redis_collect(const struct reef_redis_answer *answer, const uint8_t *kinds, int count, int ref) {
	lua_State *L = answer->build;
	const struct result_model *model = result_model(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
	for (int i = 0; i < count; i++) {
		int index = answer->index + i;
		if (kinds[i] == REEF_REDIS_ERROR && reef_redis_is_useless(lua_tostring(L, index))) {
			push_rejection(answer, L, lua_tostring(L, index));
			lua_pop(L, 1);
		}
		push_result(L, model, index, kinds[i] == REEF_REDIS_VALUE);
		lua_rawseti(L, -2, n + 1 + i);
	}
	lua_pop(L, 1);
}

void reef_redis_finish_collection(lua_State *build, struct reef_task *task, int ref) {
	lua_State *to = reef_task_thread(task);
	lua_rawgeti(to, LUA_REGISTRYINDEX, ref);
	luaL_unref(build, LUA_REGISTRYINDEX, ref);
	reef_task_resume(task, 1);
}
