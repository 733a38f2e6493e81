/* See load.h. */
#include "load.h"

static void load_set_place(lua_State *L, size_t line, size_t column) {
	lua_pushinteger(L, (lua_Integer)line);
	lua_setfield(L, -2, "line");
	if (column > 0) {
		lua_pushinteger(L, (lua_Integer)column);
		lua_setfield(L, -2, "column");
	}
}

void reef_load_problem(lua_State *L, int problems, size_t line, size_t column) {
	size_t n = lua_rawlen(L, problems);
	if (n >= REEF_LOAD_MAX_PROBLEMS) {
		lua_pop(L, 1);
		lua_getfield(L, problems, "more");
		lua_pushinteger(L, lua_tointeger(L, -1) + 1);
		lua_setfield(L, problems, "more");
		lua_pop(L, 1);
		return;
	}
	lua_createtable(L, 0, 3);
	lua_insert(L, -2);
	lua_setfield(L, -2, "message");
	load_set_place(L, line, column);
	lua_rawseti(L, problems, (lua_Integer)n + 1);
}

void reef_load_place(lua_State *L, int places, lua_Integer at, size_t line, size_t column) {
	lua_createtable(L, 0, 2);
	load_set_place(L, line, column);
	lua_rawseti(L, places, at);
}

void reef_load_child(lua_State *L, int key) {
	if (!lua_istable(L, -1)) {
		lua_pushnil(L);
		return;
	}
	if (lua_getfield(L, -1, "sub") == LUA_TTABLE) {
		lua_pushvalue(L, key);
		lua_rawget(L, -2);
	} else {
		lua_pushnil(L);
	}
	lua_remove(L, -2);
}

lua_Integer reef_load_asked(lua_State *L) {
	if (!lua_istable(L, -1))
		return 0;
	lua_getfield(L, -1, "at");
	lua_Integer at = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return at;
}
