/* See debug_library.h. A C function trusts its upvalues and what it has put on its stack, a userdata its user values: whoever could
 * replace them would have C read what is not there. So a script may set none of them, and sees no upvalue but that it is there.
 * The stock functions behind ours are the same in every VM, and noted once for the process. */
#include "debug_library.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include <lauxlib.h>
#include <lualib.h>

enum { SETLOCAL, GETUPVALUE, SETUPVALUE, GETUSERVALUE, SETUSERVALUE, GUARDED };

static lua_CFunction stock[GUARDED];

static int stock_call(lua_State *L, int which) {
	return __atomic_load_n(&stock[which], __ATOMIC_RELAXED)(L);
}

/* As the stock function does when there is no such value. */
static int nothing_there(lua_State *L) {
	lua_pushnil(L);
	return 1;
}

/* ([thread,] level, ...): is a C function at that level? */
static bool is_level_of_c(lua_State *L) {
	lua_State *of = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
	int is_level;
	lua_Debug frame;
	lua_Integer level = lua_tointegerx(L, lua_isthread(L, 1) ? 2 : 1, &is_level);
	return is_level && level >= 0 && level <= INT_MAX && lua_getstack(of, (int)level, &frame) &&
		   lua_getinfo(of, "S", &frame) && *frame.what == 'C';
}

static int debug_setlocal(lua_State *L) {
	return is_level_of_c(L) ? nothing_there(L) : stock_call(L, SETLOCAL);
}

/* The name of each upvalue of a C function is empty. */
static int debug_getupvalue(lua_State *L) {
	int n = stock_call(L, GETUPVALUE);
	if (n == 2 && lua_iscfunction(L, 1)) {
		lua_pushnil(L);
		lua_replace(L, -2);
	}
	return n;
}

static int debug_setupvalue(lua_State *L) {
	return lua_iscfunction(L, 1) ? 0 : stock_call(L, SETUPVALUE);
}

static int debug_getuservalue(lua_State *L) {
	return lua_type(L, 1) == LUA_TUSERDATA ? nothing_there(L) : stock_call(L, GETUSERVALUE);
}

static int debug_setuservalue(lua_State *L) {
	return lua_type(L, 1) == LUA_TUSERDATA ? nothing_there(L) : stock_call(L, SETUSERVALUE);
}

void reef_debug_library_open(lua_State *L) {
	static const luaL_Reg functions[GUARDED] = {
			[SETLOCAL] = {"setlocal", debug_setlocal},
			[GETUPVALUE] = {"getupvalue", debug_getupvalue},
			[SETUPVALUE] = {"setupvalue", debug_setupvalue},
			[GETUSERVALUE] = {"getuservalue", debug_getuservalue},
			[SETUSERVALUE] = {"setuservalue", debug_setuservalue},
	};
	lua_getglobal(L, LUA_DBLIBNAME);
	for (int i = 0; i < GUARDED; i++) {
		lua_getfield(L, -1, functions[i].name);
		__atomic_store_n(&stock[i], lua_tocfunction(L, -1), __ATOMIC_RELAXED);
		lua_pop(L, 1);
		lua_pushcfunction(L, functions[i].func);
		lua_setfield(L, -2, functions[i].name);
	}
	lua_pop(L, 1);
}
