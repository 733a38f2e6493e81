/* The module `reef.budget`: calls of functions that may take so many steps, and no more. */
#include "lua_budget.h"

#include <lauxlib.h>

#include "sharetable/overlay/interrupt.h"

/* call(steps, message, f, ...) -> true and its results, or false and the error; `message` if it took more steps. The function
 * cannot wait. What it leaves behind, such as finalizers, does not count. */
static int l_call(lua_State *L) {
	struct reef_budget budget = {.left = luaL_checkinteger(L, 1), .message = luaL_checkstring(L, 2)};
	luaL_checkany(L, 3);
	reef_interrupt_budget_begin(L, &budget);
	int status = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, 0);
	reef_interrupt_budget_end(&budget);
	lua_pushboolean(L, status == LUA_OK);
	lua_replace(L, 2);
	return lua_gettop(L) - 1;
}

int reef_budget_open(lua_State *L) {
	static const luaL_Reg functions[] = {{"call", l_call}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
