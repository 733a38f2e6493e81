/* Alarms reach whatever Lua code a thread runs, once or for good, and budgets count all of it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

#include "sharetable/overlay/interrupt.h"

#define FIRST_MS 20
#define GIVE_UP 200 /* alarms, of 50 ms: the code cannot be interrupted */

static volatile sig_atomic_t how, alarms;

static void on_alarm(int signal) {
	(void)signal;
	if (++alarms > GIVE_UP)
		_exit(1);
	/* Not only once: the thread may just be outside of any call. */
	if (how != 0)
		reef_interrupt_raise(how);
}

static void set_timer(int first_ms, int every_ms) {
	struct itimerval t = {.it_value.tv_usec = first_ms * 1000, .it_interval.tv_usec = every_ms * 1000};
	setitimer(ITIMER_REAL, &t, NULL);
}

/* In a coroutine that nothing protected has resumed, as the host resumes tasks. */
static int resume(lua_State *L, const char *text) {
	int results;
	lua_settop(L, 0);
	lua_State *co = lua_newthread(L);
	assert_int_equal(luaL_loadstring(co, text), LUA_OK);
	return lua_resume(co, L, 0, &results);
}

static int run(lua_State *L, const char *text) {
	lua_settop(L, 0);
	lua_sethook(L, NULL, 0, 0);
	assert_int_equal(luaL_loadstring(L, text), LUA_OK);
	return lua_pcall(L, 0, 1, 0);
}

/* Code that does not end, or not within GIVE_UP; all of it lets an error out. */
static const char *const loops[] = {
		"while true do end",
		"local function f() return f() end f()",
		"coroutine.wrap(function() while true do end end)()",
		"tostring(setmetatable({}, { __tostring = function() while true do end end }))",
		"local x <close> = setmetatable({}, { __close = function() while true do end end })",
		"debug.sethook(function() while true do end end, 'l')\nlocal a = 1\na = 2",
		"xpcall(error, function() while true do end end) error 'over'",
		"setmetatable({}, { __gc = function() while true do end end }) collectgarbage() error 'over'",
		"(('a'):rep(40)):find(('a?'):rep(40) .. ('a'):rep(40))",
		"(('a'):rep(60)):gsub(('a-'):rep(40) .. 'b', '')",
		"(('('):rep(10000000)):find '%b()'",
		"(('a'):rep(1000000)):find('[' .. ('b'):rep(1000000) .. 'a]*c')",
		"table.move({}, 1, 1 << 60, 2)",
		"error(#(''):rep(1 << 60))",
};

/* TSan hands a signal on only when the thread calls into its runtime, which a loop of Lua never does. */
static void skip_under_tsan(void) {
#ifdef __SANITIZE_THREAD__
	skip();
#endif
}

static void one_alarm_ends_any_loop(void **state) {
	(void)state;
	skip_under_tsan();
	for (size_t i = 0; i < sizeof(loops) / sizeof(*loops); i++) {
		lua_State *L = luaL_newstate();
		luaL_openlibs(L);
		how = REEF_INTERRUPT_ONCE;
		alarms = 0;
		set_timer(FIRST_MS, 50);
		assert_int_not_equal(run(L, loops[i]), LUA_OK);
		set_timer(0, 0);
		assert_in_range(alarms, 1, GIVE_UP / 2);
		assert_int_equal(reef_interrupt.alarm, 0);
		assert_null(reef_interrupt.running);
		assert_int_equal(run(L, "local n = 0 for i = 1, 1000 do n = n + i end return n"), LUA_OK);
		assert_int_equal(lua_tointeger(L, -1), 500500);
		lua_close(L);
	}
}

static void an_alarm_for_good_cannot_be_caught(void **state) {
	(void)state;
	skip_under_tsan();
	static const char *const stubborn[] = {
			"while true do pcall(function() while true do end end) end",
			"while true do xpcall(error, function() while true do end end) end",
			"while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
			"coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()",
			"while true do pcall(string.find, ('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40)) end",
	};
	for (size_t i = 0; i < 2 * sizeof(stubborn) / sizeof(*stubborn); i++) {
		lua_State *L = luaL_newstate();
		luaL_openlibs(L);
		how = REEF_INTERRUPT_ALWAYS;
		alarms = 0;
		set_timer(FIRST_MS, 50);
		assert_int_not_equal((i % 2 == 0 ? run : resume)(L, stubborn[i / 2]), LUA_OK);
		set_timer(0, 0);
		assert_int_equal(reef_interrupt.alarm, 0);
		lua_close(L);
	}
}

static void a_budget_counts_everything_and_is_over_when_it_ends(void **state) {
	(void)state;
	skip_under_tsan();
	alarms = 0;
	how = 0;
	set_timer(50, 50);
	for (size_t i = 0; i < sizeof(loops) / sizeof(*loops); i++) {
		lua_State *L = luaL_newstate();
		luaL_openlibs(L);
		struct reef_budget budget = {.left = 1000000, .message = "too much"};
		reef_interrupt_budget_begin(L, &budget);
		int status = run(L, loops[i]);
		reef_interrupt_budget_end(&budget);
		assert_int_not_equal(status, LUA_OK);
		assert_int_equal(reef_interrupt.alarm, 0);
		assert_int_equal(run(L, "for i = 1, 10000000 do end return 1"), LUA_OK);
		lua_close(L);
		alarms = 0;
	}
	set_timer(0, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(one_alarm_ends_any_loop),
			cmocka_unit_test(an_alarm_for_good_cannot_be_caught),
			cmocka_unit_test(a_budget_counts_everything_and_is_over_when_it_ends),
	};
	signal(SIGALRM, on_alarm);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
