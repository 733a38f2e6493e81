/* For integration/c_stack.lua, which builds it outside the tree: Lua functions in C that wait in their midst.
 *
 * ask(service, text, times, timeout) -> the replies, one after the other, each in answer to the one before; or "failed", "late",
 * "nobody", "ending". sleep(cs). around(f, ...) calls f(...) from C, without a continuation, and sleeps before and after. outside()
 * waits without a stack. counts() -> bodies begun and ended. */
#include <stdatomic.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "core/host/task_stack.h"

static atomic_long begun, ended;

static const char *const words[] = {"done", "failed", "late", "nobody", "ending", "outside"};

static int ask_body(lua_State *L) {
	uint32_t service = (uint32_t)luaL_checkinteger(L, 1);
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	long times = (long)luaL_checkinteger(L, 3);
	int timeout = (int)luaL_checkinteger(L, 4);
	char *last = skynet_malloc(size + 1);
	memcpy(last, text, size);
	enum reef_called called = REEF_CALL_DONE;
	int top = lua_gettop(L);
	begun++;
	for (long i = 0; i < times && called == REEF_CALL_DONE; i++) {
		struct reef_reply reply;
		called = reef_task_call(L, service, PTYPE_TEXT, last, size, timeout, &reply);
		skynet_free(last);
		last = reply.data;
		size = reply.size;
		if (called == REEF_CALL_DONE)
			lua_pushlstring(L, last, size);
	}
	skynet_free(last);
	ended++;
	if (called == REEF_CALL_DONE)
		return lua_gettop(L) - top;
	lua_pushstring(L, words[called]);
	return 1;
}

static int ask(lua_State *L) {
	return reef_task_on_stack(L, ask_body);
}

static int sleep_body(lua_State *L) {
	begun++;
	enum reef_called called = reef_task_sleep(L, (int)luaL_checkinteger(L, 1));
	ended++;
	lua_pushstring(L, words[called]);
	return 1;
}

static int stacked_sleep(lua_State *L) {
	return reef_task_on_stack(L, sleep_body);
}

static int around_body(lua_State *L) {
	begun++;
	reef_task_sleep(L, 1);
	int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
	reef_task_sleep(L, 1);
	ended++;
	return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

static int around(lua_State *L) {
	return reef_task_on_stack(L, around_body);
}

static int outside(lua_State *L) {
	struct reef_reply reply;
	lua_pushstring(L, words[reef_task_sleep(L, 1)]);
	lua_pushstring(L, words[reef_task_call(L, 1, PTYPE_TEXT, "", 0, 1, &reply)]);
	return 2;
}

static int counts(lua_State *L) {
	lua_pushinteger(L, begun);
	lua_pushinteger(L, ended);
	return 2;
}

int luaopen_stacked(lua_State *L) {
	static const luaL_Reg functions[] = {{"ask", ask},         {"sleep", stacked_sleep}, {"around", around},
										 {"outside", outside}, {"counts", counts},       {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
