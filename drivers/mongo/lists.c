/* See lists.h. */
#include "lists.h"

#include <stdint.h>

#include <lauxlib.h>

#include "drivers/bson/encode.h"
#include "drivers/bson/format.h"
#include "drivers/bson/lua_writer.h"
#include "drivers/bson/oid.h"
#include "drivers/bson/tag.h"

static int new_batch(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer first = luaL_checkinteger(L, 2), last = luaL_len(L, 1);
	size_t bytes = (size_t)luaL_checkinteger(L, 3);
	lua_Integer count = luaL_checkinteger(L, 4);
	enum reef_bson_purpose purpose = lua_toboolean(L, 5) ? REEF_BSON_DATA : REEF_BSON_ANYTHING;
	lua_settop(L, 1);
	struct reef_writer *w = reef_lua_writer_borrow(L, REEF_BSON_SIZE);
	lua_Integer i = first;
	size_t size = 0;
	for (; i <= last && i - first < count; i++) {
		lua_geti(L, 1, i);
		reef_bson_encode(L, -1, w, purpose);
		lua_pop(L, 1);
		if (w->size > bytes && i > first) {
			break;
		}
		size = w->size;
	}
	w->size = size;
	reef_lua_writer_hand_out(L, 2);
	lua_pushinteger(L, i);
	return 2;
}

/* Gives the documents ids that have none. */
static int identify(lua_State *L) {
	enum { DOCUMENTS = 1, IDS, NAME, DOCUMENT, ID };
	luaL_checktype(L, DOCUMENTS, LUA_TTABLE);
	lua_settop(L, DOCUMENTS);
	lua_createtable(L, (int)lua_rawlen(L, DOCUMENTS), 0);
	lua_pushliteral(L, "_id");
	for (lua_Integer i = 1; lua_geti(L, DOCUMENTS, i) != LUA_TNIL; i++) {
		lua_pushvalue(L, NAME);
		if (lua_gettable(L, DOCUMENT) == LUA_TNIL && lua_istable(L, DOCUMENT)) {
			uint8_t oid[REEF_BSON_OID_SIZE];
			reef_bson_oid_new(oid);
			reef_bson_tag_push(L, REEF_BSON_OBJECTID, oid, sizeof(oid));
			lua_replace(L, ID);
			lua_pushvalue(L, NAME);
			lua_pushvalue(L, ID);
			lua_settable(L, DOCUMENT);
		}
		lua_rawseti(L, IDS, i);
		lua_settop(L, NAME);
	}
	lua_settop(L, IDS);
	return 1;
}

/* Keys and values that a server may want besides those that are given here. */
enum { ROOM = 8 };

static int extend(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	int more = lua_gettop(L) - 1;
	lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
	lua_createtable(L, (int)n + more + ROOM, 0);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		lua_rawseti(L, -2, i);
	}
	for (int i = 1; i <= more; i++) {
		lua_pushvalue(L, 1 + i);
		lua_rawseti(L, -2, n + i);
	}
	return 1;
}

static int release_batch(lua_State *L) {
	if (reef_lua_writer_to(L, 1) != NULL) {
		reef_lua_writer_take_back(L, 1);
	}
	return 0;
}

void reef_mongo_lists_register(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"batch", new_batch}, {"release", release_batch}, {"identify", identify}, {"extend", extend}, {NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
}
