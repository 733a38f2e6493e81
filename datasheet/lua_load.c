/* The Lua module `reef.config.core`: the loaders. */
#include "lua_load.h"

#include <unistd.h>

#include <lauxlib.h>

#include "core/host/host.h"
#include "load_csv.h"
#include "load_csv_fast.h"
#include "load_directory.h"
#include "load_json.h"
#include "load_json_fast.h"
#include "load_toml.h"
#include "load_watch.h"
#include "sharetable/literal.h"

/* terminal() -> does stderr lead to one? */
static int load_terminal(lua_State *L) {
	lua_pushboolean(L, isatty(STDERR_FILENO));
	return 1;
}

/* json_fast(text) -> value, or nothing where `json` asks jansson */
static int load_json_fast(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	return reef_load_json_fast(L, text, n) ? 1 : 0;
}

/* csv_fast(text, types, separator) -> what `csv` returns, or nothing where that asks libcsv */
static int load_csv_fast(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	luaL_checktype(L, 2, LUA_TTABLE);
	return reef_load_csv_fast(L, text, n, 2, *reef_csv_check_separator(L, 3)) ? 1 : 0;
}

/* lua_fast(text) -> the table that a file of Lua returns, or nothing where Lua has to run it */
static int load_lua_fast(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	return reef_literal_push(L, text, n) ? 1 : 0;
}

static int open_load(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"csv", reef_load_csv},
			{"csv_places", reef_load_csv_places},
			{"csv_careful", reef_load_csv_careful},
			{"csv_fast", load_csv_fast},
			{"json", reef_load_json},
			{"json_places", reef_load_json_places},
			{"json_fast", load_json_fast},
			{"json_careful", reef_load_json_careful},
			{"lua_fast", load_lua_fast},
			{"toml", reef_load_toml},
			{"toml_places", reef_load_toml_places},
			{"watch", reef_load_watch},
			{"list", reef_load_directory},
			{"terminal", load_terminal},
			{NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}

void reef_lua_load_setup(void) {
	reef_host_preload("reef.config.core", open_load);
	reef_load_watch_setup();
}
