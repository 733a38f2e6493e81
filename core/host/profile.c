/* CPU time of coroutines that asked for it.
 *
 * A table in the registry with weak keys holds, for each coroutine that is measured, a userdata with what it used so far
 * and the thread's CPU clock when it was resumed last. The clock costs half a microsecond, so the host calls in here only
 * while something is measured. Own slice only. */
#include "profile.h"

#include <lauxlib.h>
#include <time.h>

#include "core/sim.h"
#include "host_private.h"

struct profile {
	double used;
	double resumed; /* negative: does not run */
};

static char profiles;

static double cpu_clock(void) {
	struct timespec t;
	if (reef_sim_on)
		return (double)reef_sim_elapsed() / 1e9;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct profile *profile_find(struct reef_host *host, lua_State *co) {
	lua_State *L = host->L;
	bool no_limit = host->no_limit;
	host->no_limit = true;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &profiles);
	lua_checkstack(co, 1);
	lua_pushthread(co);
	lua_xmove(co, L, 1);
	lua_rawget(L, -2);
	struct profile *profile = lua_touserdata(L, -1);
	lua_pop(L, 2);
	host->no_limit = no_limit;
	return profile;
}

void reef_profile_resumed(struct reef_host *host, lua_State *co) {
	struct profile *profile = profile_find(host, co);
	if (profile)
		profile->resumed = cpu_clock();
}

void reef_profile_suspended(struct reef_host *host, lua_State *co) {
	struct profile *profile = profile_find(host, co);
	if (profile && profile->resumed >= 0) {
		profile->used += cpu_clock() - profile->resumed;
		profile->resumed = -1;
	}
}

static lua_State *profile_thread(lua_State *L) {
	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_pushthread(L);
		return L;
	}
	luaL_checktype(L, 1, LUA_TTHREAD);
	lua_settop(L, 1);
	return lua_tothread(L, 1);
}

static void push_profiles(lua_State *L) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &profiles) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &profiles);
}

/* profile_start([co]) -> false if it is measured already */
int reef_profile_start(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	lua_State *co = profile_thread(L);
	push_profiles(L);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, 2) != LUA_TNIL) {
		lua_pushboolean(L, 0);
		return 1;
	}
	lua_pushvalue(L, 1);
	struct profile *profile = lua_newuserdatauv(L, sizeof(*profile), 0);
	*profile = (struct profile){.resumed = lua_status(co) == LUA_OK ? cpu_clock() : -1};
	lua_rawset(L, 2);
	host->profiled++;
	lua_pushboolean(L, 1);
	return 1;
}

/* profile_stop([co]) -> seconds, nil if it was not measured */
int reef_profile_stop(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	profile_thread(L);
	push_profiles(L);
	lua_pushvalue(L, 1);
	lua_rawget(L, 2);
	const struct profile *profile = lua_touserdata(L, -1);
	if (!profile)
		return 0;
	double used = profile->used + (profile->resumed >= 0 ? cpu_clock() - profile->resumed : 0);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	lua_rawset(L, 2);
	host->profiled--;
	lua_pushnumber(L, used);
	return 1;
}
