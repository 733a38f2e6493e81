/* Functions of the standard libraries that hand a path, a command or a name to C: the stock ones behind the check of
 * name_check.h. The same in every VM, so what they call is noted once for the process. Own slice only. */
#include "lua_paths.h"

#include "name_check.h"

#include <lauxlib.h>

#define FOR_EACH(F)                                                                                                    \
	F(io, input)                                                                                                       \
	F(io, lines)                                                                                                       \
	F(io, open)                                                                                                        \
	F(io, output)                                                                                                      \
	F(io, popen)                                                                                                       \
	F(os, getenv)                                                                                                      \
	F(os, remove)                                                                                                      \
	F(os, rename)                                                                                                      \
	F(os, setlocale)                                                                                                   \
	F(package, loadlib)                                                                                                \
	F(package, searchpath)

#define NAMES 2 /* leading arguments that are names, if they are strings */

static int run(lua_State *L, const lua_CFunction *stock) {
	for (int i = 1; i <= NAMES; i++)
		if (lua_type(L, i) == LUA_TSTRING)
			reef_check_name(L, i);
	return __atomic_load_n(stock, __ATOMIC_RELAXED)(L);
}

#define DEFINE(library, name)                                                                                          \
	static lua_CFunction stock_##library##_##name;                                                                     \
	static int library##_##name(lua_State *L) {                                                                        \
		return run(L, &stock_##library##_##name);                                                                      \
	}
FOR_EACH(DEFINE)

static const struct {
	const char *library, *name;
	lua_CFunction checked, *stock;
} checked_functions[] = {
#define ENTRY(library, name) {#library, #name, library##_##name, &stock_##library##_##name},
		FOR_EACH(ENTRY)};

void reef_lua_paths_open(lua_State *L) {
	for (size_t i = 0; i < sizeof checked_functions / sizeof checked_functions[0]; i++) {
		lua_getglobal(L, checked_functions[i].library);
		lua_getfield(L, -1, checked_functions[i].name);
		lua_CFunction stock = lua_tocfunction(L, -1);
		if (stock != checked_functions[i].checked)
			__atomic_store_n(checked_functions[i].stock, stock, __ATOMIC_RELAXED);
		lua_pushcfunction(L, checked_functions[i].checked);
		lua_setfield(L, -3, checked_functions[i].name);
		lua_pop(L, 2);
	}
}
