/* The Lua module `bson`. */
#include "lua_bson.h"

#include <lauxlib.h>

#include "decode.h"
#include "encode.h"
#include "format.h"
#include "json_read.h"
#include "json_write.h"
#include "kind.h"
#include "lua_object.h"
#include "lua_writer.h"
#include "object.h"
#include "reader.h"
#include "tables.h"
#include "value.h"
#include "writer.h"

/* encode(table | object | pointer) -> object */
static int bson_encode(lua_State *L) {
	lua_settop(L, 1);
	struct reef_writer *w = reef_lua_writer_borrow(L, REEF_BSON_SIZE);
	reef_bson_encode(L, 1, w, REEF_BSON_ANYTHING);
	reef_bson_object_push(L, w->data, w->size);
	reef_lua_writer_return(L, 2);
	return 1;
}

/* encode_order(k1, v1, k2, v2 ...) -> object */
static int bson_encode_order(lua_State *L) {
	int n = lua_gettop(L);
	struct reef_writer *w = reef_lua_writer_borrow(L, REEF_BSON_SIZE);
	reef_bson_encode_pairs(L, 1, n, w);
	reef_bson_object_push(L, w->data, w->size);
	reef_lua_writer_return(L, n + 1);
	return 1;
}

/* The bytes of an object, of a string, or behind a pointer whose owner vouches for them. */
static const uint8_t *check_document(lua_State *L, int index, size_t *size) {
	const uint8_t *data = reef_bson_object_to(L, index, size);
	if (data != NULL) {
		return data;
	}
	if (lua_islightuserdata(L, index) && lua_touserdata(L, index) != NULL) {
		data = lua_touserdata(L, index);
		*size = reef_get32(data);
		return data;
	}
	if (lua_type(L, index) == LUA_TSTRING) {
		return (const uint8_t *)lua_tolstring(L, index, size);
	}
	luaL_typeerror(L, index, "bson object, string or pointer");
	return NULL;
}

/* decode(object | pointer | string) -> table; decode(nil) -> nothing */
static int bson_decode(lua_State *L) {
	if (lua_isnoneornil(L, 1)) {
		return 0;
	}
	size_t size;
	const uint8_t *data = check_document(L, 1, &size);
	reef_bson_decode(L, data, size, 0);
	return 1;
}

/* decode_exact: the same, but nothing is lost, and encoding gives the same bytes again. */
static int bson_decode_exact(lua_State *L) {
	size_t size;
	const uint8_t *data = check_document(L, 1, &size);
	reef_bson_decode(L, data, size, REEF_BSON_EXACT);
	return 1;
}

/* object(string) -> object, checked in depth */
static int bson_object(lua_State *L) {
	size_t size;
	const uint8_t *data = (const uint8_t *)luaL_checklstring(L, 1, &size);
	const char *error = reef_bson_reader_check(data, size, 1);
	if (error != NULL) {
		return luaL_error(L, "Invalid bson: %s", error);
	}
	reef_bson_object_push(L, data, size);
	return 1;
}

static int bson_to_lightuserdata(lua_State *L) {
	size_t size;
	const uint8_t *data = reef_bson_object_to(L, 1, &size);
	luaL_argexpected(L, data != NULL, 1, "bson object");
	lua_pushlightuserdata(L, (void *)(uintptr_t)data);
	return 1;
}

/* to_json(object | table [, "relaxed" | "canonical"]) -> text */
static int bson_to_json(lua_State *L) {
	static const char *const modes[] = {"relaxed", "canonical", NULL};
	bool canonical = luaL_checkoption(L, 2, "relaxed", modes) == 1;
	lua_settop(L, 1);
	if (lua_istable(L, 1)) {
		bson_encode(L);
		lua_replace(L, 1);
		lua_settop(L, 1);
	}
	size_t size;
	const uint8_t *data = check_document(L, 1, &size);
	const char *error = reef_bson_reader_check(data, size, 1);
	if (error != NULL) {
		return luaL_error(L, "Invalid bson: %s", error);
	}
	struct reef_writer *w = reef_lua_writer_borrow(L, REEF_BSON_SIZE);
	if (!reef_json_write(w, data, size, canonical)) {
		return luaL_error(L, "Extended JSON too large or out of memory");
	}
	lua_pushlstring(L, (const char *)w->data, w->size);
	reef_lua_writer_return(L, 2);
	return 1;
}

/* from_json(text) -> object */
static int bson_from_json(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	lua_settop(L, 1);
	struct reef_writer *w = reef_lua_writer_borrow(L, REEF_BSON_SIZE);
	struct reef_json_error error;
	if (!reef_json_read(w, text, size, &error)) {
		return luaL_error(L, "Invalid extended JSON: %s at byte %d", error.text, (int)error.offset + 1);
	}
	reef_bson_object_push(L, w->data, w->size);
	reef_lua_writer_return(L, 2);
	return 1;
}

static void set_constant(lua_State *L, const char *name, uint8_t type) {
	char text[2] = {0, (char)type};
	lua_pushlstring(L, text, 2);
	lua_setfield(L, -2, name);
}

int reef_lua_bson_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"encode", bson_encode},
			{"encode_order", bson_encode_order},
			{"decode", bson_decode},
			{"decode_exact", bson_decode_exact},
			{"object", bson_object},
			{"to_lightuserdata", bson_to_lightuserdata},
			{"to_json", bson_to_json},
			{"from_json", bson_from_json},
			{NULL, NULL},
	};
	luaL_checkversion(L);
	reef_bson_lua_object_register(L);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	reef_bson_value_register(L);
	reef_bson_kind_register(L);
	reef_bson_tables_register(L);
	set_constant(L, "null", REEF_BSON_NULL);
	set_constant(L, "undefined", REEF_BSON_UNDEFINED);
	set_constant(L, "minkey", REEF_BSON_MINKEY);
	set_constant(L, "maxkey", REEF_BSON_MAXKEY);
	return 1;
}
