/* See tables.h. */
#include "tables.h"

#include <stdbool.h>

#include <lauxlib.h>

#include "core/host/pack.h"

static const char document_key;
const char reef_bson_tables_order;

void reef_bson_tables_push_array_mt(lua_State *L) {
	reef_pack_array_metatable(L);
}

void reef_bson_tables_push_document_mt(lua_State *L) {
	lua_rawgetp(L, LUA_REGISTRYINDEX, &document_key);
}

static int new_array(lua_State *L) {
	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	reef_bson_tables_push_array_mt(L);
	lua_setmetatable(L, 1);
	return 1;
}

static int is_array(lua_State *L) {
	bool same = false;
	if (lua_istable(L, 1) && lua_getmetatable(L, 1)) {
		reef_bson_tables_push_array_mt(L);
		same = lua_rawequal(L, -1, -2);
	}
	lua_pushboolean(L, same);
	return 1;
}

/* ---- the order of keys ----
 *
 * A list of the keys, which also says of each key where it stands in it, and at 0 how long it may become before it is
 * tidied. The decoder makes the list alone. A key that was removed and comes back goes to the end, and leaves `false`
 * behind. */

enum { LEAST_TIDIED = 32 };

/* Sweeps out what is not used any more, and notes where the others are. Answers the length of the list. */
static lua_Integer tidy(lua_State *L, int document, int order) {
	lua_Integer n = (lua_Integer)lua_rawlen(L, order), kept = 0;
	for (lua_Integer i = 1; i <= n; i++) {
		int key = lua_gettop(L) + 1;
		lua_rawgeti(L, order, i);
		if (lua_toboolean(L, key)) {
			lua_pushvalue(L, key);
			bool used = lua_rawget(L, document) != LUA_TNIL;
			lua_pushvalue(L, key);
			if (used) {
				kept++;
				lua_pushinteger(L, kept);
				lua_pushvalue(L, key);
				lua_rawseti(L, order, kept);
			} else {
				lua_pushnil(L);
			}
			lua_rawset(L, order);
		}
		lua_settop(L, key - 1);
	}
	for (lua_Integer i = n; i > kept; i--) {
		lua_pushnil(L);
		lua_rawseti(L, order, i);
	}
	lua_pushinteger(L, kept < LEAST_TIDIED ? 2 * LEAST_TIDIED : 2 * kept);
	lua_rawseti(L, order, 0);
	return kept;
}

static void append_key(lua_State *L, int document, int order, int key) {
	lua_Integer n = (lua_Integer)lua_rawlen(L, order);
	lua_rawgeti(L, order, 0);
	if (n >= lua_tointeger(L, -1)) {
		n = tidy(L, document, order);
	}
	lua_pushvalue(L, key);
	if (lua_rawget(L, order) != LUA_TNIL) {
		lua_pushboolean(L, false);
		lua_rawseti(L, order, lua_tointeger(L, -2));
	}
	lua_pop(L, 2);
	lua_pushvalue(L, key);
	lua_rawseti(L, order, n + 1);
	lua_pushvalue(L, key);
	lua_pushinteger(L, n + 1);
	lua_rawset(L, order);
}

/* Pushes the list of the document at index 1. */
static void push_order(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	if (lua_rawgetp(L, 1, &reef_bson_tables_order) != LUA_TTABLE) {
		luaL_argerror(L, 1, "a bson.document expected");
	}
}

static int document_newindex(lua_State *L) {
	lua_settop(L, 3);
	if (lua_isnil(L, 3)) {
		return 0;
	}
	if (lua_type(L, 2) != LUA_TSTRING) {
		return luaL_error(L, "Bson dictionary's key can't be %s", luaL_typename(L, 2));
	}
	push_order(L);
	append_key(L, 1, 4, 2);
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 0;
}

/* Upvalues: list of keys, position. */
static int document_next(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
	for (;;) {
		i++;
		if (lua_rawgeti(L, lua_upvalueindex(1), i) == LUA_TNIL) {
			return 1;
		}
		lua_pushvalue(L, -1);
		if (lua_rawget(L, 1) != LUA_TNIL) {
			lua_pushinteger(L, i);
			lua_replace(L, lua_upvalueindex(2));
			return 2;
		}
		lua_pop(L, 2);
	}
}

static int document_pairs(lua_State *L) {
	push_order(L);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, document_next, 2);
	lua_pushvalue(L, 1);
	return 2;
}

static int new_document(lua_State *L) {
	int n = lua_gettop(L);
	if (n % 2 != 0) {
		return luaL_error(L, "Invalid ordered dict");
	}
	lua_createtable(L, 0, n / 2 + 1);
	lua_createtable(L, n / 2, 0);
	for (int i = 1; i < n; i += 2) {
		luaL_argcheck(L, lua_type(L, i) == LUA_TSTRING, i, "a key must be a string");
		luaL_argcheck(L, !lua_isnil(L, i + 1), i + 1, "nil in an ordered dict");
		append_key(L, n + 1, n + 2, i);
		lua_pushvalue(L, i);
		lua_pushvalue(L, i + 1);
		lua_rawset(L, n + 1);
	}
	lua_rawsetp(L, n + 1, &reef_bson_tables_order);
	reef_bson_tables_push_document_mt(L);
	lua_setmetatable(L, n + 1);
	return 1;
}

static void register_mt(lua_State *L, const void *key, const char *name) {
	lua_newtable(L);
	lua_pushstring(L, name);
	lua_setfield(L, -2, "__name");
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void reef_bson_tables_register(lua_State *L) {
	static const luaL_Reg document_methods[] = {
			{"__newindex", document_newindex},
			{"__pairs", document_pairs},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {
			{"array", new_array},
			{"is_array", is_array},
			{"document", new_document},
			{NULL, NULL},
	};
	register_mt(L, &document_key, "bson.document");
	luaL_setfuncs(L, document_methods, 0);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
