/* See sim_libraries.h. The stock functions are the same in every VM, and there is one thread. */
#include "sim_libraries.h"

#include <lauxlib.h>
#include <lualib.h>

#include "core/sim.h"

static lua_CFunction stock_time, stock_date;

static lua_Integer wall_second(void) {
	reef_sim_advance_to(reef_sim_now() + REEF_SIM_LOOK_NS);
	return (lua_Integer)(reef_sim_wall() / 1000000000u);
}

/* time([table]) */
static int sim_time(lua_State *L) {
	if (!lua_isnoneornil(L, 1))
		return stock_time(L);
	lua_pushinteger(L, wall_second());
	return 1;
}

/* date([format [, time]]) */
static int sim_date(lua_State *L) {
	if (lua_isnoneornil(L, 2)) {
		lua_settop(L, 1);
		lua_pushinteger(L, wall_second());
	}
	return stock_date(L);
}

/* clock() */
static int sim_clock(lua_State *L) {
	reef_sim_advance_to(reef_sim_now() + REEF_SIM_LOOK_NS);
	lua_pushnumber(L, (lua_Number)reef_sim_elapsed() / 1e9);
	return 1;
}

/* randomseed([x [, y]]): what nobody can foresee is drawn from the simulation's seed. The stock one, which has the
 * generator, is an upvalue. */
static int sim_randomseed(lua_State *L) {
	if (lua_isnone(L, 1)) {
		lua_pushinteger(L, (lua_Integer)reef_sim_draw(REEF_SIM_PROGRAM));
		lua_pushinteger(L, (lua_Integer)reef_sim_draw(REEF_SIM_PROGRAM));
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int sim_popen(lua_State *L) {
	(void)L;
	reef_sim_refuse("a process of the system (io.popen)");
}

/* Of the table on top; the function that was there, if that is wanted. */
static void replace(lua_State *L, const char *name, lua_CFunction function, lua_CFunction *stock) {
	if (stock) {
		lua_getfield(L, -1, name);
		*stock = lua_tocfunction(L, -1);
		lua_pop(L, 1);
	}
	lua_pushcfunction(L, function);
	lua_setfield(L, -2, name);
}

void reef_sim_libraries_open(struct lua_State *L) {
	lua_getglobal(L, LUA_OSLIBNAME);
	replace(L, "time", sim_time, &stock_time);
	replace(L, "date", sim_date, &stock_date);
	replace(L, "clock", sim_clock, NULL);
	lua_getglobal(L, LUA_MATHLIBNAME);
	lua_getfield(L, -1, "randomseed");
	lua_pushcclosure(L, sim_randomseed, 1);
	lua_setfield(L, -2, "randomseed");
	lua_getglobal(L, LUA_IOLIBNAME);
	replace(L, "popen", sim_popen, NULL);
	lua_pop(L, 3);
}
