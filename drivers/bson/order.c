/* See order.h. */
#include "order.h"

#include <string.h>

#include <lauxlib.h>

static bool is_step(const struct reef_bson_place *at, int depth, const char *key) {
	return at->path[depth].size == strlen(key) && memcmp(at->path[depth].key, key, at->path[depth].size) == 0;
}

/* Does the table that is the whole have the key, with a value of that type? */
static bool root_has(lua_State *L, const struct reef_bson_place *at, const char *key, int type) {
	lua_pushstring(L, key);
	bool has = lua_rawget(L, at->root) == type;
	lua_pop(L, 1);
	return has;
}

/* Is it the name of a command that takes sort, hint, min, max or indexes? */
static bool is_command_name(const char *key) {
	static const char *const names[] = {"find",  "findAndModify", "findandmodify", "aggregate",
										"count", "distinct",      "createIndexes", "mapReduce"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(key, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* Is the whole a command, or one of its statements, rather than data? */
static bool is_command(lua_State *L, const struct reef_bson_place *at) {
	if (at->root == 0) {
		return at->first != NULL && is_command_name(at->first);
	}
	return root_has(L, at, "find", LUA_TSTRING) || root_has(L, at, "findAndModify", LUA_TSTRING) ||
		   root_has(L, at, "findandmodify", LUA_TSTRING) || root_has(L, at, "createIndexes", LUA_TSTRING) ||
		   (root_has(L, at, "aggregate", LUA_TSTRING) && root_has(L, at, "pipeline", LUA_TTABLE)) ||
		   (root_has(L, at, "q", LUA_TTABLE) &&
			(root_has(L, at, "u", LUA_TTABLE) || root_has(L, at, "limit", LUA_TNUMBER))) ||
		   (root_has(L, at, "filter", LUA_TTABLE) &&
			(root_has(L, at, "updateMods", LUA_TTABLE) || root_has(L, at, "delete", LUA_TNUMBER)));
}

bool reef_bson_order_matters(lua_State *L, const struct reef_bson_place *at) {
	if (at->purpose == REEF_BSON_DATA) {
		return false;
	}
	switch (at->path[at->depth].size > 0 ? at->path[at->depth].key[0] : 0) {
	case '$':
		return is_step(at, at->depth, "$sort");
	case 's':
		return (at->depth == 1 && is_step(at, 1, "sort") && is_command(L, at)) ||
			   (at->depth > 1 && is_step(at, at->depth, "sortBy") && at->path[at->depth - 1].size > 0 &&
				at->path[at->depth - 1].key[0] == '$');
	case 'h':
		return at->depth == 1 && is_step(at, 1, "hint") && is_command(L, at);
	case 'm':
		return at->depth == 1 && (is_step(at, 1, "min") || is_step(at, 1, "max")) && is_command(L, at);
	case 'k':
		return at->depth == 3 && is_step(at, 3, "key") && is_step(at, 1, "indexes") && is_command(L, at);
	default:
		return false;
	}
}

bool reef_bson_order_push_pair(lua_State *L, int index) {
	if (lua_type(L, index) == LUA_TSTRING) {
		lua_pushvalue(L, index);
		lua_pushinteger(L, 1);
		return true;
	}
	if (!lua_istable(L, index)) {
		return false;
	}
	if (lua_rawlen(L, index) == 2 && lua_rawgeti(L, index, 1) == LUA_TSTRING) {
		lua_rawgeti(L, index, 2);
		return true;
	}
	lua_settop(L, index);
	lua_pushnil(L);
	int found = 0;
	while (lua_next(L, index) != 0) {
		/* What a bson.document keeps in itself is no key. */
		if (lua_type(L, -2) == LUA_TSTRING) {
			lua_pushvalue(L, -2);
			lua_insert(L, index + 1 + 2 * found);
			lua_insert(L, index + 2 + 2 * found);
			found++;
		} else {
			lua_pop(L, 1);
		}
		if (found > 1) {
			return false;
		}
	}
	return found == 1;
}

bool reef_bson_order_is_known(lua_State *L, int index) {
	if (lua_getmetatable(L, index)) {
		lua_pop(L, 1);
		if (luaL_getmetafield(L, index, "__pairs") != LUA_TNIL) {
			lua_pop(L, 1);
			return true;
		}
	}
	lua_pushnil(L);
	if (lua_next(L, index) == 0) {
		return true;
	}
	lua_pop(L, 1);
	if (lua_next(L, index) == 0) {
		return true;
	}
	lua_pop(L, 2);
	return false;
}
