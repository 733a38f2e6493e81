/* See lua_sim.h. Own slice only; what it says of the simulation holds for the process. */
#include "lua_sim.h"

#include <string.h>

#include <lauxlib.h>

#include "core/host/host.h"
#include "core/service.h"
#include "core/sim.h"
#include "links.h"
#include "net.h"
#include "nodes.h"

#define SECOND 1e9

static void check_on(lua_State *L) {
	if (!reef_sim_on)
		luaL_error(L, "this is no simulation: start the script with `reef sim`");
}

static uint32_t check_host(lua_State *L, int arg) {
	return reef_sim_node(luaL_checkstring(L, arg));
}

static uint32_t opt_host(lua_State *L, int arg) {
	return lua_isnoneornil(L, arg) ? 0 : check_host(L, arg);
}

/* on() -> boolean */
static int sim_on(lua_State *L) {
	lua_pushboolean(L, reef_sim_on);
	return 1;
}

/* fault(probability) -> boolean */
static int sim_fault(lua_State *L) {
	check_on(L);
	lua_pushboolean(L, reef_sim_fault(luaL_checknumber(L, 1)));
	return 1;
}

/* random(least, most) -> integer */
static int sim_random(lua_State *L) {
	check_on(L);
	lua_Integer least = luaL_checkinteger(L, 1), most = luaL_checkinteger(L, 2);
	luaL_argcheck(L, least <= most, 2, "less than the first");
	uint64_t range = (uint64_t)most - (uint64_t)least + 1;
	uint64_t drawn = range == 0 ? reef_sim_draw(REEF_SIM_FAULT) : reef_sim_below(REEF_SIM_FAULT, range);
	lua_pushinteger(L, (lua_Integer)((uint64_t)least + drawn));
	return 1;
}

/* fail(text) */
static int sim_fail(lua_State *L) {
	check_on(L);
	reef_sim_end(REEF_SIM_FAILED, luaL_checkstring(L, 1));
}

/* no_errors() */
static int sim_no_errors(lua_State *L) {
	check_on(L);
	reef_sim_promise_no_errors();
	return 0;
}

/* finish() */
static int sim_finish(lua_State *L) {
	check_on(L);
	reef_sim_end(REEF_SIM_PASSED, "");
}

/* promise(n): so many things more, or less, are promised for later */
static int sim_promise(lua_State *L) {
	check_on(L);
	reef_sim_promise((int)luaL_checkinteger(L, 1));
	return 0;
}

/* elapsed() -> seconds */
static int sim_elapsed(lua_State *L) {
	check_on(L);
	lua_pushnumber(L, (lua_Number)reef_sim_elapsed() / SECOND);
	return 1;
}

/* jump(seconds) */
static int sim_jump(lua_State *L) {
	check_on(L);
	reef_sim_jump_wall((int64_t)(luaL_checknumber(L, 1) * SECOND));
	return 0;
}

/* note(text): part of what the fingerprint covers */
static int sim_note(lua_State *L) {
	size_t size;
	check_on(L);
	const char *text = luaL_checklstring(L, 1, &size);
	reef_sim_note(text, size);
	return 0;
}

/* place(host [, address]) */
static int sim_place(lua_State *L) {
	check_on(L);
	uint32_t own = reef_service_handle(reef_host_service(reef_host_of(L)));
	reef_sim_node_place((uint32_t)luaL_optinteger(L, 2, own), check_host(L, 1));
	return 0;
}

/* inherit(service, from): the service is where the other one is */
static int sim_inherit(lua_State *L) {
	check_on(L);
	reef_sim_node_inherit((uint32_t)luaL_checkinteger(L, 1), (uint32_t)luaL_checkinteger(L, 2));
	return 0;
}

/* partition(one, other, parted) */
static int sim_partition(lua_State *L) {
	check_on(L);
	reef_sim_net_partition(check_host(L, 1), check_host(L, 2), lua_toboolean(L, 3));
	return 0;
}

/* heal() */
static int sim_heal(lua_State *L) {
	check_on(L);
	reef_sim_net_heal();
	return 0;
}

/* cut(how, to, port, from) -> number of connections */
static int sim_cut(lua_State *L) {
	static const char *const ways[] = {"reset", "half", NULL};
	check_on(L);
	enum reef_sim_cut how = luaL_checkoption(L, 1, NULL, ways) == 0 ? REEF_SIM_RESET : REEF_SIM_HALF;
	struct reef_sim_link link = {.to = opt_host(L, 2), .port = (int)luaL_optinteger(L, 3, 0), .from = opt_host(L, 4)};
	lua_pushinteger(L, reef_sim_net_cut(&link, how));
	return 1;
}

/* set_network(name, number) -> was there such a name? */
static int sim_set_network(lua_State *L) {
	struct reef_sim_network *n = &reef_sim_network;
	const struct {
		const char *name;
		double *value;
	} settings[] = {{"delay_least", &n->delay_least},
					{"delay_most", &n->delay_most},
					{"stall", &n->stall},
					{"stall_most", &n->stall_most},
					{"reset", &n->reset},
					{"refuse", &n->refuse},
					{"lose", &n->lose},
					{"slow", &n->slow}};
	check_on(L);
	const char *name = luaL_checkstring(L, 1);
	double value = luaL_checknumber(L, 2);
	luaL_argcheck(L, value >= 0 && value < 1e6, 2, "not a number of seconds, or a chance");
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		if (strcmp(settings[i].name, name) == 0) {
			*settings[i].value = value;
			lua_pushboolean(L, true);
			return 1;
		}
	}
	lua_pushboolean(L, false);
	return 1;
}

int reef_open_sim(struct lua_State *L) {
	static const luaL_Reg functions[] = {
			{"on", sim_on},
			{"fault", sim_fault},
			{"random", sim_random},
			{"fail", sim_fail},
			{"finish", sim_finish},
			{"no_errors", sim_no_errors},
			{"promise", sim_promise},
			{"elapsed", sim_elapsed},
			{"jump", sim_jump},
			{"note", sim_note},
			{"place", sim_place},
			{"inherit", sim_inherit},
			{"partition", sim_partition},
			{"heal", sim_heal},
			{"cut", sim_cut},
			{"set_network", sim_set_network},
			{NULL, NULL},
	};
	reef_host_new_library(L, functions, 0);
	return 1;
}
