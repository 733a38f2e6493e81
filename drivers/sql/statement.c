/* See statement.h. The stack: the caller's arguments, his time-out, the turn, which is closed there, what has to do with a prepared
 * statement, the connection. */
#include "statement.h"

#include <math.h>

#include <lauxlib.h>

#include "core/clock.h"
#include "core/host/host.h"
#include "operation.h"
#include "turn.h"

#define FOREVER 1e7 /* seconds from which on a time-out is none */
#define NS 1e9

enum { AT_DB = 1, AT_STATEMENT, AT_VALUES };

enum { OF_OPERATION = 1, OF_SLOW, OF_REFUSED }; /* upvalues of a method */

/* What statement.h says of the caller's tables. */
enum { DB_TURN = 1, DB_TIMEOUT, DB_COMPACT };
enum { PREPARED_HANDLE = 1, PREPARED_GENERATION };

static const struct reef_sql_operation *statement_operation(lua_State *L) {
	return reef_sql_operation_check(L, lua_upvalueindex(OF_OPERATION));
}

/* ---- its end in Lua ---- */

static int statement_back(lua_State *L, int status, lua_KContext before) {
	(void)status;
	return lua_gettop(L) - (int)before;
}

static void statement_push_deadline(lua_State *L, uint64_t deadline_ns) {
	lua_pushnumber(L, deadline_ns == UINT64_MAX ? (lua_Number)HUGE_VAL : (lua_Number)(lua_Integer)deadline_ns / NS);
}

static int statement_slowly(lua_State *L, int last, uint64_t deadline_ns) {
	lua_settop(L, last);
	lua_pushvalue(L, lua_upvalueindex(OF_SLOW));
	lua_insert(L, 1);
	statement_push_deadline(L, deadline_ns);
	lua_insert(L, 3);
	lua_callk(L, last + 1, LUA_MULTRET, 0, statement_back);
	return statement_back(L, LUA_OK, 0);
}

static int statement_refused(lua_State *L, struct reef_sql_connection *c) {
	int result = lua_gettop(L), last = c->last;
	luaL_checkstack(L, last + 3, NULL);
	lua_closeslot(L, c->turn);
	lua_pushvalue(L, lua_upvalueindex(OF_REFUSED));
	lua_pushvalue(L, AT_DB);
	lua_pushvalue(L, result);
	statement_push_deadline(L, c->deadline_ns);
	for (int i = AT_STATEMENT; i <= last; i++)
		lua_pushvalue(L, i);
	lua_callk(L, last + 2, LUA_MULTRET, result, statement_back);
	return statement_back(L, LUA_OK, result);
}

/* ---- its way ---- */

/* Pushes the handle of the prepared statement. False: there is none for this connection. */
static bool statement_push_handle(lua_State *L, const struct reef_sql_turn *turn) {
	if (!lua_getmetatable(L, AT_STATEMENT))
		return false;
	lua_rawgeti(L, -1, PREPARED_GENERATION);
	if (lua_tointeger(L, -1) != turn->generation)
		return false;
	lua_rawgeti(L, -2, PREPARED_HANDLE);
	return true;
}

/* It is its turn, which lies at `at`, behind the arguments and the time-out. */
static int statement_in_turn(lua_State *L, struct reef_sql_turn *turn, int at, uint64_t now_ns, uint64_t deadline_ns) {
	const struct reef_sql_operation *operation = statement_operation(L);
	struct reef_sql_connection *c = turn->core;
	int last = at - 2;
	bool prepared = operation->takes == REEF_SQL_PREPARED;
	if (!reef_sql_is_fresh(turn, now_ns) || (prepared && !statement_push_handle(L, turn)))
		return statement_slowly(L, last, deadline_ns);
	reef_sql_operation_suits(L, operation, c);
	c->statement = prepared ? lua_gettop(L) : AT_STATEMENT;
	lua_geti(L, AT_DB, DB_COMPACT);
	c->lists = lua_toboolean(L, -1);
	lua_getiuservalue(L, at, REEF_SQL_CORE);
	c->owner = turn;
	c->turn = at;
	c->command = 0;
	c->self = lua_gettop(L);
	c->values = AT_VALUES;
	c->last = last;
	c->refusal = statement_refused;
	return reef_sql_begin(L, c, operation, now_ns, deadline_ns);
}

static int statement_came(lua_State *L, int status, lua_KContext at) {
	(void)status;
	struct reef_sql_turn *turn = lua_touserdata(L, (int)at);
	if (reef_sql_turn_came(turn, L)) {
		uint64_t deadline_ns = (uint64_t)lua_tointeger(L, -1);
		lua_settop(L, (int)at);
		return statement_in_turn(L, turn, (int)at, reef_now_ns(), deadline_ns);
	}
	reef_sql_tell(L, (int)at, 0, statement_operation(L), "late", 1);
	return luaL_error(L, "sql: session:late has come back");
}

static int statement_call(lua_State *L) {
	const struct reef_sql_operation *operation = statement_operation(L);
	int last = lua_gettop(L);
	luaL_checktype(L, AT_DB, LUA_TTABLE);
	if (last < AT_STATEMENT)
		lua_settop(L, last = AT_STATEMENT);
	lua_geti(L, AT_DB, DB_TIMEOUT);
	lua_Number seconds = lua_tonumber(L, -1);
	uint64_t now_ns = reef_now_ns(),
			 deadline_ns = seconds > 0 && seconds < FOREVER ? now_ns + (uint64_t)(seconds * NS) : UINT64_MAX;
	bool prepared = operation->takes == REEF_SQL_PREPARED;
	if (lua_type(L, AT_STATEMENT) != (prepared ? LUA_TTABLE : LUA_TSTRING) ||
		(operation->takes == REEF_SQL_TEXT_ALONE && last > AT_STATEMENT))
		return statement_slowly(L, last, deadline_ns);
	lua_geti(L, AT_DB, DB_TURN);
	int at = last + 2;
	struct reef_sql_turn *turn = reef_sql_turn_check(L, at);
	reef_task_running(L);
	bool mine = reef_sql_turn_take(turn, L);
	lua_toclose(L, at);
	if (mine)
		return statement_in_turn(L, turn, at, now_ns, deadline_ns);
	lua_pushinteger(L, (lua_Integer)deadline_ns);
	return reef_sql_turn_wait(L, at, prepared ? 0 : lua_rawlen(L, AT_STATEMENT), deadline_ns, statement_came);
}

int reef_sql_statement(lua_State *L) {
	reef_sql_operation_check(L, OF_OPERATION);
	luaL_checktype(L, OF_SLOW, LUA_TFUNCTION);
	luaL_checktype(L, OF_REFUSED, LUA_TFUNCTION);
	lua_settop(L, OF_REFUSED);
	lua_pushcclosure(L, statement_call, OF_REFUSED);
	return 1;
}
