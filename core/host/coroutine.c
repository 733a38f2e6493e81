/* coroutine.resume and coroutine.wrap of service VMs.
 *
 * They do what the stock ones do, and besides let a wait of the framework inside the coroutine pass through to the
 * dispatcher: the coroutine is marked as blocked, and the resumer yields too, until the task goes on and its results
 * are handed down. Nobody else can resume a coroutine that is blocked. */
#include "coroutine.h"

#include <lauxlib.h>

#include "host_private.h"
#include "profile.h"
#include "task.h"

enum { BLOCKED = -2, FAILED = -1 };

static int coroutine_refuse(lua_State *L, lua_State *co) {
	struct reef_task *header = reef_task_header(co);
	if (header == &header->host->blocked)
		lua_pushliteral(L, "cannot resume a skynet coroutine suspend by skynet framework");
	else
		lua_pushliteral(L, "cannot resume a coroutine of the dispatcher");
	return FAILED;
}

/* Results, or the error, are left on L. */
static int coroutine_step(lua_State *L, lua_State *co, int n) {
	struct reef_task *header = reef_task_header(co);
	struct reef_host *host = header->host;
	if (header == &host->blocked || header->state != TASK_NONE)
		return coroutine_refuse(L, co);
	if (!lua_checkstack(co, n)) {
		lua_pushliteral(L, "too many arguments to resume");
		return FAILED;
	}
	lua_xmove(L, co, n);
	lua_State *outer = host->active;
	int results;
	host->active = co;
	if (host->profiled)
		reef_profile_resumed(host, co);
	int status = lua_resume(co, L, n, &results);
	if (host->profiled)
		reef_profile_suspended(host, co);
	host->active = outer;
	if (status == LUA_YIELD && host->running && host->running->state == TASK_WAITING) {
		lua_pop(co, results);
		if (lua_isyieldable(L)) {
			reef_task_set_header(co, &host->blocked);
			return BLOCKED;
		}
		reef_task_cancel_wait(host->running);
		host->running->state = TASK_RUNNING;
		lua_pushliteral(L, "attempt to yield across a C-call boundary");
		return FAILED;
	}
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_xmove(co, L, 1);
		return FAILED;
	}
	if (!lua_checkstack(L, results + 1)) {
		lua_pop(co, results);
		lua_pushliteral(L, "too many results to resume");
		return FAILED;
	}
	lua_xmove(co, L, results);
	return results;
}

/* The task goes on: its results are on L above `base`. */
static int pass_down(lua_State *L, lua_State *co, lua_KContext base) {
	reef_task_set_header(co, &reef_host_get(L)->none);
	return coroutine_step(L, co, lua_gettop(L) - (int)base);
}

static int resume_done(lua_State *L, lua_State *co, int n);

static int resume_again(lua_State *L, int status, lua_KContext base) {
	(void)status;
	lua_State *co = lua_tothread(L, 1);
	return resume_done(L, co, pass_down(L, co, base));
}

static int resume_done(lua_State *L, lua_State *co, int n) {
	(void)co;
	if (n == BLOCKED)
		return lua_yieldk(L, 0, lua_gettop(L), resume_again);
	lua_pushboolean(L, n != FAILED);
	if (n == FAILED)
		n = 1;
	lua_insert(L, -(n + 1));
	return n + 1;
}

static lua_State *check_thread(lua_State *L) {
	lua_State *co = lua_tothread(L, 1);
	luaL_argexpected(L, co, 1, "coroutine");
	return co;
}

static int co_resume(lua_State *L) {
	lua_State *co = check_thread(L);
	return resume_done(L, co, coroutine_step(L, co, lua_gettop(L) - 1));
}

static int wrap_done(lua_State *L, lua_State *co, int n);

static int wrap_again(lua_State *L, int status, lua_KContext base) {
	(void)status;
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	return wrap_done(L, co, pass_down(L, co, base));
}

static int wrap_done(lua_State *L, lua_State *co, int n) {
	if (n == BLOCKED)
		return lua_yieldk(L, 0, lua_gettop(L), wrap_again);
	if (n != FAILED)
		return n;
	int status = lua_status(co);
	if (status != LUA_OK && status != LUA_YIELD && reef_task_header(co)->state == TASK_NONE) {
		/* Pending <close> variables may replace the error. The original lies on L; closing wants it on the coroutine. */
		lua_xmove(L, co, 1);
		status = reef_task_close_thread(co, L);
		lua_xmove(co, L, 1);
	}
	if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

static int coroutine_wrapped(lua_State *L) {
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	return wrap_done(L, co, coroutine_step(L, co, lua_gettop(L)));
}

static int co_wrap(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_State *co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	lua_pushcclosure(L, coroutine_wrapped, 1);
	return 1;
}

void reef_coroutine_open(lua_State *L) {
	static const luaL_Reg functions[] = {{"resume", co_resume}, {"wrap", co_wrap}, {NULL, NULL}};
	luaL_setfuncs(L, functions, 0);
}
