/* Tables of C functions copied from a template. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

#include "sharetable/library.h"
#include "sharetable/names.h"

static int one(lua_State *L) {
	lua_pushinteger(L, 1);
	return 1;
}

static void copies_have_all_functions_and_room(void **state) {
	(void)state;
	static const luaL_Reg functions[] = {
			{"first_thing", one}, {"second_thing", one}, {"third_thing", one}, {NULL, NULL}};
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	for (int i = 0; i < 3; i++) {
		reef_library_new(L, functions, 4);
		lua_setglobal(L, "library");
		if (luaL_dostring(L, "local n = 0 for k, v in pairs(library) do n = n + v() end\n"
							 "library.fourth = 4 assert(n == 3 and library.third_thing() == 1)\n") != LUA_OK)
			fail_msg("%s", lua_tostring(L, -1));
	}
	lua_close(L);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(copies_have_all_functions_and_room),
	};
	reef_share_library_names();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
