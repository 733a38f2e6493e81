/* Whatever is in a file of configuration, it becomes values or problems, and any value that came out can be found again:
 * its line and column are within the text. JSON and CSV are the same in the fast way and in the careful one. The first byte chooses
 * the format. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

#include "datasheet/load_csv.h"
#include "datasheet/load_json.h"
#include "datasheet/load_toml.h"
#include "same.h"

#define ASKED 64

static int lines_of(const char *text, size_t n) {
	int lines = 1;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Appends to the tree of questions (on top) the keys of the value below it, some levels deep. */
static void ask_all(lua_State *L, int *count, int depth) {
	if (!lua_istable(L, -2) || depth > 4)
		return;
	luaL_checkstack(L, 10, NULL);
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, -4);) {
		/* value, tree, sub, key, child value */
		lua_pushvalue(L, -2);
		lua_newtable(L);
		if (*count < ASKED) {
			lua_pushinteger(L, ++*count);
			lua_setfield(L, -2, "at");
		}
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -2);
		ask_all(L, count, depth + 1);
		lua_pop(L, 2);
		lua_rawset(L, -5);
		lua_pop(L, 1);
	}
	lua_setfield(L, -2, "sub");
}

static void check_place(lua_State *L, int lines) {
	assert(lua_istable(L, -1));
	lua_getfield(L, -1, "line");
	assert(lua_tointeger(L, -1) >= 1 && lua_tointeger(L, -1) <= lines + 1);
	lua_pop(L, 1);
	lua_getfield(L, -1, "column");
	assert(lua_isnil(L, -1) || lua_tointeger(L, -1) >= 1);
	lua_pop(L, 1);
}

/* The results of a loader are on the stack from index 1 on. */
static void check_problems(lua_State *L, int lines) {
	assert(lua_gettop(L) >= 1);
	if (lua_gettop(L) < 2) {
		assert(!lua_isnil(L, 1));
		return;
	}
	lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
	assert(n > 0);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, 2, i);
		check_place(L, lines);
		lua_getfield(L, -1, "message");
		assert(lua_isstring(L, -1));
		lua_pop(L, 2);
	}
}

/* The places of everything in a value, which is at index 1. `exact`: all of them have to be found. */
static void check_places(lua_State *L, lua_CFunction places, const char *text, size_t n, const char *separator,
						 bool exact) {
	int count = 0;
	lua_settop(L, 1);
	lua_pushcfunction(L, places);
	lua_pushlstring(L, text, n);
	if (separator)
		lua_pushstring(L, separator);
	lua_pushvalue(L, 1);
	lua_newtable(L);
	ask_all(L, &count, 0);
	lua_remove(L, -2);
	lua_call(L, separator ? 3 : 2, 1);
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		if (exact || !lua_isnil(L, -1))
			check_place(L, lines_of(text, n));
		lua_pop(L, 1);
	}
}

/* What the loader has made is on the stack from index 1 on; the careful one has its arguments on top of that. */
static void check_careful(lua_State *L, lua_CFunction careful, int made, int arguments) {
	lua_pushcfunction(L, careful);
	lua_insert(L, made + 1);
	lua_call(L, arguments, LUA_MULTRET);
	assert(lua_gettop(L) == 2 * made);
	for (int i = 1; i <= made; i++)
		assert(same(L, i, made + i, 0));
	lua_settop(L, made);
}

/* The arguments of `csv`. */
static int push_csv(lua_State *L, const char *text, size_t n, uint8_t choice) {
	static const char *const types[] = {"integer", "number", "boolean", "string"};
	lua_pushlstring(L, text, n);
	lua_newtable(L);
	if (choice & 8) {
		lua_pushstring(L, types[choice >> 4 & 3]);
		lua_setfield(L, -2, "a");
	}
	lua_pushstring(L, choice & 4 ? ";" : ",");
	return 3;
}

static void load_csv(lua_State *L, const char *text, size_t n, uint8_t choice) {
	lua_pushcfunction(L, reef_load_csv);
	lua_call(L, push_csv(L, text, n, choice), LUA_MULTRET);
	check_problems(L, lines_of(text, n));
	int made = lua_gettop(L);
	check_careful(L, reef_load_csv_careful, made, push_csv(L, text, n, choice));
	if (lua_istable(L, 1)) {
		lua_getfield(L, 1, "rows");
		lua_replace(L, 1);
		check_places(L, reef_load_csv_places, text, n, choice & 4 ? ";" : ",", false);
	}
}

static void load(lua_State *L, lua_CFunction loader, lua_CFunction places, const char *text, size_t n) {
	lua_pushcfunction(L, loader);
	lua_pushlstring(L, text, n);
	lua_call(L, 1, LUA_MULTRET);
	check_problems(L, lines_of(text, n));
	if (loader == reef_load_json) {
		int made = lua_gettop(L);
		lua_pushlstring(L, text, n);
		check_careful(L, reef_load_json_careful, made, 1);
	}
	if (lua_istable(L, 1) && lua_gettop(L) == 1)
		check_places(L, places, text, n, NULL, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 1)
		return 0;
	lua_State *L = luaL_newstate();
	const char *text = (const char *)data + 1;
	switch (data[0] & 3) {
	case 0:
		load(L, reef_load_json, reef_load_json_places, text, size - 1);
		break;
	case 1:
		load(L, reef_load_toml, reef_load_toml_places, text, size - 1);
		break;
	default:
		load_csv(L, text, size - 1, data[0]);
		break;
	}
	lua_close(L);
	return 0;
}
