/* The module `reef.settings`: configuration files as a start reads and judges them, for commands that look at one that
 * is not this process' own. Own slice only; reading blocks its worker. */
#include "lua_settings.h"

#include <lauxlib.h>

#include "config_keys.h"
#include "config_read.h"
#include "config_text.h"
#include "name_check.h"

/* read(path) -> key -> { value = text, file = path, line = number }; list of what may be meant otherwise. Raises what is
 * wrong. All these texts have file and line. */
static int settings_read(lua_State *L) {
	reef_config_read(L, reef_check_name(L, 1));
	return 2;
}

/* check(key, value) -> "good"; or "doubtful" or "wrong", and what it has to be. */
static int settings_check(lua_State *L) {
	static const char *const names[] = {"good", "doubtful", "wrong"};
	char why[256];
	enum reef_config_judgement judgement =
			reef_config_key_check(reef_check_name(L, 1), reef_check_name(L, 2), why, sizeof why);
	lua_pushstring(L, names[judgement]);
	if (judgement == REEF_CONFIG_GOOD)
		return 1;
	lua_pushstring(L, why);
	return 2;
}

/* names_file(key) -> is its value the path of a file that is read? */
static int settings_names_file(lua_State *L) {
	lua_pushboolean(L, reef_config_key_names_file(reef_check_name(L, 1)));
	return 1;
}

/* meant(key) -> the known key that is one letter away, or nil */
static int settings_meant(lua_State *L) {
	lua_pushstring(L, reef_config_key_meant(reef_check_name(L, 1)));
	return 1;
}

/* known() -> list of the keys that Reef reads */
static int settings_known(lua_State *L) {
	size_t count = reef_config_key_count();
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushstring(L, reef_config_key_name(i));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* Appends { line = number, message = text } to the table at 2. */
static void add_problem(void *ud, int line, const char *message) {
	lua_State *L = ud;
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, line);
	lua_setfield(L, -2, "line");
	lua_pushstring(L, message);
	lua_setfield(L, -2, "message");
	lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
}

/* expand(text) -> the text with variables of the environment, list of { line = number, message = text } */
static int settings_expand(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	lua_settop(L, 1);
	lua_newtable(L);
	struct reef_text out = {0};
	reef_config_expand(&out, text, size, add_problem, L);
	if (out.failed) {
		reef_text_free(&out);
		return luaL_error(L, "not enough memory");
	}
	lua_pushlstring(L, out.data ? out.data : "", out.size);
	reef_text_free(&out);
	lua_insert(L, 2);
	return 2;
}

int reef_open_settings(lua_State *L) {
	static const luaL_Reg functions[] = {{"read", settings_read},
										 {"check", settings_check},
										 {"meant", settings_meant},
										 {"known", settings_known},
										 {"expand", settings_expand},
										 {"names_file", settings_names_file},
										 {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
