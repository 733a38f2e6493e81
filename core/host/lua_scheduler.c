/* What the workers do, for Lua: see lua_scheduler.h. Asks no service, so it answers when those are stuck, too. */
#include "lua_scheduler.h"
#include "core/histogram.h"
#include "core/scheduler.h"

#include <lauxlib.h>

/* Of 16 us to 17 s: what is shorter hardly matters to who waits, what is longer has other witnesses. */
enum { FIRST_POWER = 14, LAST_POWER = 34 };

void reef_lua_set_histogram(lua_State *L, const struct reef_histogram *const *histograms, size_t n) {
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)reef_counter_get(&histograms[i]->sum) / 1e9;
	lua_pushnumber(L, sum);
	lua_setfield(L, -2, "sum");
	lua_createtable(L, LAST_POWER - FIRST_POWER + 1, 0);
	lua_createtable(L, LAST_POWER - FIRST_POWER + 2, 0);
	unsigned from = 0;
	for (unsigned power = FIRST_POWER; power <= LAST_POWER + 1; power++) {
		unsigned to = power <= LAST_POWER ? power : REEF_HISTOGRAM_POWERS;
		uint64_t count = 0;
		for (size_t i = 0; i < n; i++)
			count += reef_histogram_between(histograms[i], from, to);
		if (power <= LAST_POWER) {
			lua_pushnumber(L, (double)((UINT64_C(1) << power) - 1) / 1e9);
			lua_rawseti(L, -3, power - FIRST_POWER + 1);
		}
		lua_pushinteger(L, (lua_Integer)count);
		lua_rawseti(L, -2, power - FIRST_POWER + 1);
		from = to;
	}
	lua_setfield(L, -3, "counts");
	lua_setfield(L, -2, "bounds");
}

/* cpu() -> CPU seconds of each worker, spare ones behind the others, and how many are no spare ones */
static int scheduler_cpu(lua_State *L) {
	int n = reef_scheduler_all_workers();
	lua_createtable(L, n, 0);
	for (int i = 0; i < n; i++) {
		lua_pushnumber(L, reef_scheduler_cpu_seconds(i));
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushinteger(L, reef_scheduler_regular_workers());
	return 2;
}

static void push_histogram(lua_State *L, const struct reef_histogram *(*of_worker)(int index)) {
	const struct reef_histogram *histograms[1024];
	size_t n = (size_t)reef_scheduler_all_workers();
	if (n > sizeof histograms / sizeof histograms[0])
		n = sizeof histograms / sizeof histograms[0];
	for (size_t i = 0; i < n; i++)
		histograms[i] = of_worker((int)i);
	lua_createtable(L, 0, 3);
	reef_lua_set_histogram(L, histograms, n);
}

/* delays() -> {bounds = seconds[], counts = integer[], sum = seconds}: how long services that were to run
 * waited for a worker; one of 32 is looked at */
static int scheduler_delays(lua_State *L) {
	push_histogram(L, reef_scheduler_delays);
	return 1;
}

/* pauses() -> the same: how long the collector of a VM kept it from going on, each time */
static int scheduler_pauses(lua_State *L) {
	push_histogram(L, reef_scheduler_pauses);
	return 1;
}

int reef_open_scheduler(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"cpu", scheduler_cpu}, {"delays", scheduler_delays}, {"pauses", scheduler_pauses}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
