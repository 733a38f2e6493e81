/* reef.datasheet.core: what lualib/reef/datasheet.lua is made of; and the start-up of the room. */
#include "lua_datasheet.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "core/host/host.h"
#include "core/host/name_check.h"
#include "core/seam.h"
#include "lua_recorded.h"
#include "plan.h"
#include "publish.h"
#include "retired.h"
#include "sheets.h"

#define REASON_SIZE 512
#define PATIENCE_NS (UINT64_C(2) * 1000 * 1000) /* a thread that lost its core comes back in a few */

static const char plan_type[] = "reef.datasheet.plan";

/* ---- publishing ---- */

static int plan_gc(lua_State *L) {
	struct reef_plan **plan = luaL_checkudata(L, 1, plan_type);
	if (*plan != NULL)
		reef_publish_end(*plan);
	*plan = NULL;
	return 0;
}

static int lua_datasheet_give_up(lua_State *L, struct reef_plan **plan, const char *why) {
	/* Not when the collector comes to it: others may be waiting to publish. */
	reef_publish_end(*plan);
	*plan = NULL;
	lua_pushboolean(L, 0);
	lua_pushstring(L, why);
	return 2;
}

static const char *const ways[] = {"publish", "patch", "delete", NULL};

static void push_no_plan(lua_State *L) {
	*(struct reef_plan **)lua_newuserdatauv(L, sizeof(struct reef_plan *), 0) = NULL;
	luaL_setmetatable(L, plan_type);
}

static int make_plan(lua_State *L) {
	static bool (*const add[])(struct reef_plan *, lua_State *, const char *, int, char *,
							   size_t) = {reef_publish_table, reef_publish_patch};
	char why[REASON_SIZE];
	int how = luaL_checkoption(L, 1, NULL, ways);
	struct reef_plan **plan = lua_newuserdatauv(L, sizeof(struct reef_plan *), 0);
	*plan = NULL;
	luaL_setmetatable(L, plan_type);
	if (!reef_publish_begin(plan))
		return 0;
	if (*plan == NULL) {
		lua_pushboolean(L, 0);
		lua_pushliteral(L, "not enough memory");
		return 2;
	}
	for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING || (how < 2 && !lua_istable(L, -1))) {
			snprintf(why, sizeof(why), "datasheets are tables with names, not a %s named by a %s", luaL_typename(L, -1),
					 luaL_typename(L, -2));
			return lua_datasheet_give_up(L, plan, why);
		}
		size_t size;
		const char *name = lua_tolstring(L, -2, &size);
		if (strlen(name) != size) {
			snprintf(why, sizeof(why), "the name '%s' contains a zero byte", name);
			return lua_datasheet_give_up(L, plan, why);
		}
		if (!(how < 2 ? add[how](*plan, L, name, lua_gettop(L), why, sizeof(why))
					  : reef_publish_deletion(*plan, L, name, why, sizeof(why))))
			return lua_datasheet_give_up(L, plan, why);
	}
	return reef_publish_prepare(*plan) ? 1 : lua_datasheet_give_up(L, plan, "not enough memory");
}

/* plan(how, tables) -> plan, or nil if somebody else is publishing, or false and the reason. `how` is "publish" or
 * "patch" with name -> table, or "delete" with name -> anything. */
static int l_plan(lua_State *L) {
	struct reef_seam *seam = reef_seam_here();
	int how = luaL_checkoption(L, 1, NULL, ways);
	luaL_checktype(L, 2, LUA_TTABLE);
	return seam ? reef_recorded_plan(L, seam, ways[how], make_plan, push_no_plan) : make_plan(L);
}

static int commit_plan(lua_State *L) {
	struct reef_plan **plan = luaL_checkudata(L, 1, plan_type);
	luaL_argcheck(L, *plan != NULL, 1, "this plan was committed");
	uint32_t in_the_way;
	if (!reef_publish_commit(*plan, PATIENCE_NS, &in_the_way)) {
		lua_pushboolean(L, 0);
		if (in_the_way == 0)
			return 1;
		lua_pushinteger(L, in_the_way);
		return 2;
	}
	size_t changed, added, removed;
	reef_publish_stat(*plan, &changed, &added, &removed);
	plan_gc(L);
	lua_pushboolean(L, 1);
	lua_pushinteger(L, (lua_Integer)changed);
	lua_pushinteger(L, (lua_Integer)added);
	lua_pushinteger(L, (lua_Integer)removed);
	return 4;
}

/* commit(plan) -> true, rows changed, added, removed; or false and the address of a service that was in the way (or nil). */
static int l_commit(lua_State *L) {
	struct reef_seam *seam = reef_seam_here();
	return seam ? reef_recorded_commit(L, seam, commit_plan) : commit_plan(L);
}

/* ---- reading ---- */

/* query(name) -> table or nil */
static int lua_datasheet_query(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	struct reef_seam *seam = reef_seam_here();
	return seam ? reef_recorded_sheet(L, seam, name) : reef_sheets_query(L, name);
}

static int l_exists(lua_State *L) {
	lua_pushboolean(L, reef_sheets_exists(reef_check_name(L, 1)));
	return 1;
}

/* collect(): looks for retired rows and strings that nobody holds, at once. */
static int l_collect(lua_State *L) {
	(void)L;
	reef_retired_collect(true);
	return 0;
}

/* stat() -> rows, strings, bytes of all, retired objects, their bytes, services that read sheets */
static int lua_datasheet_stat(lua_State *L) {
	size_t n[6];
	reef_row_stat(&n[0], &n[1], &n[2]);
	reef_retired_stat(&n[3], &n[4], &n[5]);
	for (int i = 0; i < 6; i++)
		lua_pushinteger(L, (lua_Integer)n[i]);
	return 6;
}

int reef_datasheet_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"plan", l_plan},     {"commit", l_commit},   {"query", lua_datasheet_query},
			{"exists", l_exists}, {"collect", l_collect}, {"stat", lua_datasheet_stat},
			{NULL, NULL},
	};
	luaL_newmetatable(L, plan_type);
	lua_pushcfunction(L, plan_gc);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "__gc");
	lua_setfield(L, -2, "__close");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	lua_pushlightuserdata(L, (void *)&reef_plan_nothing);
	lua_setfield(L, -2, "nothing");
	return 1;
}
