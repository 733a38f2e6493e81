/* reef.datasheet.core: what lualib/reef/datasheet.lua is made of; and the start-up of the room. */
#include <string.h>

#include <lauxlib.h>

#include "core/host.h"
#include "retired.h"
#include "sheets.h"

#define REASON_SIZE 512
#define PATIENCE_NS (UINT64_C(2) * 1000 * 1000) /* a thread that lost its core comes back in a few */

static const char plan_type[] = "reef.datasheet.plan";

/* ---- publishing ---- */

static int plan_gc(lua_State *L) {
	struct reef_plan **plan = luaL_checkudata(L, 1, plan_type);
	if (*plan != NULL)
		reef_plan_delete(*plan);
	*plan = NULL;
	return 0;
}

/* plan(tables) -> plan, or nil if somebody else is publishing; raises what cannot be shared. `tables` is name -> table. */
static int l_plan(lua_State *L) {
	char why[REASON_SIZE];
	luaL_checktype(L, 1, LUA_TTABLE);
	struct reef_plan **plan = lua_newuserdatauv(L, sizeof(struct reef_plan *), 0);
	*plan = NULL;
	luaL_setmetatable(L, plan_type);
	*plan = reef_plan_new();
	if (*plan == NULL)
		return 0;
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1)) {
			reef_plan_delete(*plan);
			*plan = NULL;
			return luaL_error(L, "datasheets are tables with names, not a %s named by a %s", luaL_typename(L, -1),
							  luaL_typename(L, -2));
		}
		if (!reef_plan_add(*plan, L, lua_tostring(L, -2), lua_gettop(L), why, sizeof(why))) {
			/* Not when the collector comes to it: others may be waiting to publish. */
			reef_plan_delete(*plan);
			*plan = NULL;
			return luaL_error(L, "%s", why);
		}
	}
	if (!reef_plan_prepare(*plan)) {
		reef_plan_delete(*plan);
		*plan = NULL;
		return luaL_error(L, "not enough memory");
	}
	return 1;
}

/* commit(plan) -> true, rows changed, added, removed; or false and the address of a service that was in the way (or nil). */
static int l_commit(lua_State *L) {
	struct reef_plan **plan = luaL_checkudata(L, 1, plan_type);
	luaL_argcheck(L, *plan != NULL, 1, "this plan was committed");
	uint32_t in_the_way;
	if (!reef_plan_commit(*plan, PATIENCE_NS, &in_the_way)) {
		lua_pushboolean(L, 0);
		if (in_the_way == 0)
			return 1;
		lua_pushinteger(L, in_the_way);
		return 2;
	}
	size_t changed, added, removed;
	reef_plan_stat(*plan, &changed, &added, &removed);
	plan_gc(L);
	lua_pushboolean(L, 1);
	lua_pushinteger(L, (lua_Integer)changed);
	lua_pushinteger(L, (lua_Integer)added);
	lua_pushinteger(L, (lua_Integer)removed);
	return 4;
}

/* ---- reading ---- */

/* query(name) -> table or nil */
static int l_query(lua_State *L) {
	return reef_sheets_query(L, luaL_checkstring(L, 1));
}

static int l_exists(lua_State *L) {
	lua_pushboolean(L, reef_sheets_exists(luaL_checkstring(L, 1)));
	return 1;
}

/* collect(): looks for retired rows and strings that nobody holds, at once. */
static int l_collect(lua_State *L) {
	(void)L;
	reef_retired_collect(true);
	return 0;
}

/* stat() -> retired objects, their bytes, services that read sheets */
static int l_stat(lua_State *L) {
	size_t count, bytes, readers;
	reef_retired_stat(&count, &bytes, &readers);
	lua_pushinteger(L, (lua_Integer)count);
	lua_pushinteger(L, (lua_Integer)bytes);
	lua_pushinteger(L, (lua_Integer)readers);
	return 3;
}

static int open_core(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"plan", l_plan},       {"commit", l_commit}, {"query", l_query}, {"exists", l_exists},
			{"collect", l_collect}, {"stat", l_stat},     {NULL, NULL},
	};
	luaL_newmetatable(L, plan_type);
	lua_pushcfunction(L, plan_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}

void reef_datasheet_setup(void);
void reef_datasheet_setup(void) {
	reef_host_preload("reef.datasheet.core", open_core);
}
