/* See lua_object.h. */
#include "lua_object.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "decode.h"
#include "encode.h"
#include "format.h"
#include "lua_writer.h"
#include "object.h"
#include "reader.h"

static uint8_t *check_object(lua_State *L, size_t *size) {
	uint8_t *data = luaL_checkudata(L, 1, REEF_BSON_OBJECT);
	*size = (size_t)lua_rawlen(L, 1);
	return data;
}

static int object_len(lua_State *L) {
	size_t size;
	check_object(L, &size);
	lua_pushinteger(L, (lua_Integer)size);
	return 1;
}

static int object_tostring(lua_State *L) {
	size_t size;
	const uint8_t *data = check_object(L, &size);
	lua_pushlstring(L, (const char *)data, size);
	return 1;
}

static int object_decode(lua_State *L) {
	size_t size;
	const uint8_t *data = check_object(L, &size);
	reef_bson_decode(L, data, size, 0);
	return 1;
}

static bool is_fixed(uint8_t type) {
	return type == REEF_BSON_DOUBLE || type == REEF_BSON_BOOLEAN || type == REEF_BSON_OBJECTID ||
		   type == REEF_BSON_DATE || type == REEF_BSON_TIMESTAMP || type == REEF_BSON_INT32 || type == REEF_BSON_INT64;
}

/* The index: key -> offset of the element's payload * 256 + type, as the object's user value. */
static int object_makeindex(lua_State *L) {
	size_t size;
	const uint8_t *data = check_object(L, &size);
	struct reef_bson_reader r;
	struct reef_bson_element e;
	int more;
	lua_settop(L, 1);
	lua_newtable(L);
	if (!reef_bson_reader_open(&r, data, size, 1)) {
		return luaL_error(L, "Invalid bson: %s", r.error);
	}
	while ((more = reef_bson_reader_next(&r, &e)) > 0) {
		lua_pushlstring(L, e.key, e.key_size);
		lua_pushinteger(L, (lua_Integer)(e.value - data) * 256 + e.type);
		lua_rawset(L, 2);
	}
	if (more < 0) {
		return luaL_error(L, "Invalid bson: %s", r.error);
	}
	lua_setiuservalue(L, 1, 1);
	return 1;
}

/* Integers may stand for both of their types, and for a date's seconds they may not. */
static bool same_type(uint8_t have, uint8_t want) {
	return have == want || (have == REEF_BSON_INT32 && want == REEF_BSON_INT64);
}

static int object_newindex(lua_State *L) {
	size_t size;
	uint8_t *data = check_object(L, &size);
	const char *key = luaL_checkstring(L, 2);
	lua_settop(L, 3);
	if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
		return luaL_error(L, "call makeindex first");
	}
	lua_pushvalue(L, 2);
	lua_rawget(L, 4);
	lua_Integer entry = lua_tointeger(L, -1);
	uint8_t type = (uint8_t)(entry % 256);
	if (entry == 0 || !is_fixed(type)) {
		return luaL_error(L, "Can't replace key : %s", key);
	}
	struct reef_writer *w = reef_lua_writer_borrow(L, 64);
	reef_bson_encode_element(L, "", 0, 3, w);
	uint8_t have = w->data[0];
	size_t payload = w->size - 2;
	if (!same_type(have, type)) {
		return luaL_error(L, "Can't replace key : %s (type %d by type %d)", key, (int)type, (int)have);
	}
	uint8_t *p = data + entry / 256;
	if (have == REEF_BSON_INT32 && type == REEF_BSON_INT64) {
		reef_put64(p, (uint64_t)lua_tointeger(L, 3));
	} else {
		memcpy(p, w->data + 2, payload);
	}
	reef_lua_writer_return(L, 6);
	return 0;
}

void reef_bson_lua_object_register(lua_State *L) {
	static const luaL_Reg meta[] = {
			{"__len", object_len},
			{"__tostring", object_tostring},
			{"__newindex", object_newindex},
			{NULL, NULL},
	};
	static const luaL_Reg methods[] = {
			{"decode", object_decode},
			{"makeindex", object_makeindex},
			{NULL, NULL},
	};
	luaL_newmetatable(L, REEF_BSON_OBJECT);
	luaL_setfuncs(L, meta, 0);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
