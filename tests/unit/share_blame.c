/* An error that a library's function raises has the line of the user's that has called it, however it is raised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

#include "sharetable/overlay/blame.h"

static const char library[] =
		"local function index(t) local x = t.x return x end\n"
		"function look(t) return (index(t)) end\n"
		"function upper(s) return (string.upper(s)) end\n"
		"function refuse() error('no', 2) end\n"
		"function call(f) local ok, why = pcall(f) error(why, 0) end\n"
		"object = {} function object.get(self) return self.x.y end\n"
		"function finalized() setmetatable({}, { __gc = function() seen = select(2, pcall(index)) end })\n"
		"collectgarbage() end\n"
		"function alone() return coroutine.resume(coroutine.create(index)) end\n";

static const struct {
	const char *user, *message;
} cases[] = {
		{"\nlook()", "user:2: attempt to index a nil value (local 't'), in 'look'"},
		{"\nlocal f = look f(1)", "user:2: attempt to index a number value (local 't'), in 'f'"},
		{"upper()", "user:1: bad argument #1 to 'upper' (string expected, got nil)"},
		{"local f = upper f()", "user:1: bad argument #1 to 'upper' (string expected, got nil, in 'f')"},
		{"refuse()", "user:1: no"},
		{"error(select(2, pcall(refuse)), 0)", "user:1: no"},
		{"call(function() look() end)", "user:1: attempt to index a nil value (local 't'), in 'look'"},
		{"object.get()", "user:1: the object is missing, a method is called as object:get(...): attempt to index a nil "
						 "value (local 'self')"},
		{"object.get({})", "user:1: attempt to index a nil value (field 'x'), in 'get'"},
		{"string.upper()", "user:1: bad argument #1 to 'upper' (string expected, got no value)"},
		{"local t = nil t.x = 1", "user:1: attempt to index a nil value (local 't')"},
		{"error('mine')", "user:1: mine"},
		/* Nobody of the user's has called these. */
		{"finalized() error(seen, 0)", "library:1: attempt to index a nil value (local 't')"},
		{"error(select(2, alone()), 0)", "library:1: attempt to index a nil value (local 't')"},

};

static bool is_library(const char *source) {
	return strcmp(source, "=library") == 0;
}

static void test_who_called_is_named(void **state) {
	(void)state;
	reef_blame_is_own = is_library;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		lua_State *L = luaL_newstate();
		luaL_openlibs(L);
		assert_int_equal(luaL_loadbuffer(L, library, sizeof library - 1, "=library"), LUA_OK);
		lua_call(L, 0, 0);
		assert_int_equal(luaL_loadbuffer(L, cases[i].user, strlen(cases[i].user), "=user"), LUA_OK);
		assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_ERRRUN);
		assert_string_equal(lua_tostring(L, -1), cases[i].message);
		lua_close(L);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_called_is_named)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
