/* See lua_sql.h. The methods of a turn; those that wait for the server are in operation.c. */
#include "lua_sql.h"

#include <lauxlib.h>

#include "core/clock.h"
#include "operation.h"
#include "statement.h"
#include "turn.h"

/* (session [, told]) -> turn; told(true): 1 MiB of statements waits, told(false): none does any more */
static int lua_sql_new(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	reef_sql_turn_new(L, lua_isfunction(L, 2) ? 2 : 0);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, REEF_SQL_SESSION);
	return 1;
}

/* turn:use(connection, generation): what its operations are for; turn:use(nil): there is none */
static int lua_sql_use(lua_State *L) {
	struct reef_sql_turn *turn = reef_sql_turn_check(L, 1);
	turn->core = lua_isnoneornil(L, 2) ? NULL : reef_sql_connection_check(L, 2);
	turn->generation = luaL_optinteger(L, 3, turn->generation);
	turn->used_ns = reef_now_ns();
	lua_settop(L, 2);
	lua_setiuservalue(L, 1, REEF_SQL_CORE);
	return 0;
}

static int lua_sql_entered(lua_State *L) {
	lua_pushthread(L);
	lua_setiuservalue(L, 1, REEF_SQL_HOLDER);
	lua_pushboolean(L, 1);
	return 1;
}

static int lua_sql_came(lua_State *L, int status, lua_KContext context) {
	(void)status;
	struct reef_sql_turn *turn = lua_touserdata(L, (int)context);
	if (reef_sql_turn_came(turn, L)) {
		turn->depth++; /* this function leaves it once, at its end */
		return lua_sql_entered(L);
	}
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

/* turn:enter(deadline, size): true; or false, since it is too late, and when the wait began. It is kept until
 * turn:leave(), or the end of a variable that is to be closed */
static int lua_sql_enter(lua_State *L) {
	struct reef_sql_turn *turn = reef_sql_turn_check(L, 1);
	lua_Number deadline = luaL_checknumber(L, 2);
	lua_Integer size = luaL_checkinteger(L, 3);
	if (reef_sql_turn_take(turn, L))
		return lua_sql_entered(L);
	lua_settop(L, 1);
	lua_toclose(L, 1);
	uint64_t deadline_ns = deadline < 1e9 ? (uint64_t)(deadline > 0 ? deadline * 1e9 : 0) : UINT64_MAX;
	return reef_sql_turn_wait(L, 1, (size_t)size, deadline_ns, lua_sql_came);
}

/* turn:waiting() -> how many wait for it */
static int lua_sql_waiting(lua_State *L) {
	lua_pushinteger(L, reef_sql_turn_check(L, 1)->waiting);
	return 1;
}

/* turn:fresh() -> has there been an answer just now? */
static int lua_sql_fresh(lua_State *L) {
	struct reef_sql_turn *turn = reef_sql_turn_check(L, 1);
	lua_pushboolean(L, reef_sql_is_fresh(turn, reef_now_ns()));
	return 1;
}

int reef_open_sql(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"use", lua_sql_use},           {"enter", lua_sql_enter},
			{"leave", reef_sql_turn_close}, {"waiting", lua_sql_waiting},
			{"fresh", lua_sql_fresh},       {"connect", reef_sql_connect},
			{"run", reef_sql_run},          {NULL, NULL},
	};
	static const luaL_Reg of_class[] = {{"__gc", reef_sql_turn_gc}, {"__close", reef_sql_turn_close}, {NULL, NULL}};
	static const luaL_Reg functions[] = {{"new", lua_sql_new}, {"statement", reef_sql_statement}, {NULL, NULL}};
	luaL_newmetatable(L, REEF_SQL_TURN);
	luaL_setfuncs(L, of_class, 0);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}
