/* Lua tables to BSON bytes, in one walk straight into the writer: values, and what others call. */
#include "encode.h"

#include <string.h>

#include <lauxlib.h>

#include "encode_table.h"
#include "object.h"

void reef_bson_encode_string(struct reef_bson_encoder *e, const char *s, size_t size) {
	if (size >= 2 && s[0] == 0) {
		reef_bson_element_tagged(e, s, size);
	} else {
		reef_bson_element_string(e, s, size);
	}
}

void reef_bson_encode_value(struct reef_bson_encoder *e, int index) {
	lua_State *L = e->L;
	size_t size = 0;
	int type = lua_type(L, index);
	switch (type) {
	case LUA_TNUMBER:
		if (lua_isinteger(L, index)) {
			reef_bson_element_integer(e, lua_tointeger(L, index));
		} else {
			reef_bson_element_double(e, lua_tonumber(L, index));
		}
		break;
	case LUA_TSTRING: {
		const char *s = lua_tolstring(L, index, &size);
		reef_bson_encode_string(e, s, size);
		break;
	}
	case LUA_TBOOLEAN:
		reef_bson_element_boolean(e, lua_toboolean(L, index));
		break;
	case LUA_TTABLE:
		reef_bson_encode_table(e, index);
		break;
	case LUA_TLIGHTUSERDATA: {
		const uint8_t *data = lua_touserdata(L, index);
		reef_bson_element_document(e, data, reef_get32(data));
		break;
	}
	default: {
		const uint8_t *data = type == LUA_TUSERDATA ? reef_bson_object_to(L, index, &size) : NULL;
		if (data == NULL) {
			lua_pushfstring(L, "Invalid value type : %s", lua_typename(L, type));
			reef_bson_element_fail(e, lua_tostring(L, -1));
		}
		reef_bson_element_document(e, data, size);
	}
	}
}

/* ---- what others call ---- */

static void encode_begin(struct reef_bson_encoder *e, lua_State *L, struct reef_writer *w,
						 enum reef_bson_purpose purpose) {
	e->L = L;
	e->w = w;
	e->at.root = 0;
	e->at.first = NULL;
	e->at.depth = 0;
	e->at.purpose = purpose;
	reef_bson_element_enter(e);
}

void reef_bson_encode(lua_State *L, int index, struct reef_writer *w, enum reef_bson_purpose purpose) {
	struct reef_bson_encoder e;
	size_t size;
	encode_begin(&e, L, w, purpose);
	index = lua_absindex(L, index);
	const uint8_t *data = reef_bson_object_to(L, index, &size);
	if (data == NULL && lua_islightuserdata(L, index)) {
		data = lua_touserdata(L, index);
		size = reef_get32(data);
	}
	if (data != NULL) {
		memcpy(reef_bson_element_room(&e, size), data, size);
	} else if (lua_istable(L, index)) {
		e.at.root = index;
		reef_bson_encode_body(&e, index, true);
	} else {
		luaL_typeerror(L, index, "table or bson object");
	}
}

void reef_bson_encode_element(lua_State *L, const char *key, size_t key_size, int index, struct reef_writer *w) {
	struct reef_bson_encoder e;
	encode_begin(&e, L, w, REEF_BSON_DATA);
	reef_bson_element_check_key(&e, key, key_size);
	reef_bson_encode_value(&e, lua_absindex(L, index));
}

/* A key at -2 and its value at -1, the n-th pair of an ordered dict. */
static void listed_pair(struct reef_bson_encoder *e, int n) {
	lua_State *L = e->L;
	int type = lua_type(L, -2);
	if (type != LUA_TSTRING && type != LUA_TNUMBER) {
		luaL_error(L, "Invalid ordered dict: key %d is a %s", n, luaL_typename(L, -2));
	}
	size_t size;
	const char *key = lua_tolstring(L, -2, &size);
	reef_bson_element_check_key(e, key, size);
	reef_bson_encode_value(e, lua_gettop(L));
}

void reef_bson_encode_pairs(lua_State *L, int first, int last, struct reef_writer *w) {
	struct reef_bson_encoder e;
	encode_begin(&e, L, w, REEF_BSON_ANYTHING);
	e.at.first = first <= last && lua_type(L, first) == LUA_TSTRING ? lua_tostring(L, first) : NULL;
	if ((last - first + 1) % 2 != 0) {
		luaL_error(L, "Invalid ordered dict");
	}
	size_t offset = reef_bson_element_begin(&e);
	for (int i = first; i < last; i += 2) {
		lua_pushvalue(L, i);
		lua_pushvalue(L, i + 1);
		listed_pair(&e, (i - first) / 2 + 1);
		lua_pop(L, 2);
	}
	reef_bson_element_end(&e, offset);
}

void reef_bson_encode_list(lua_State *L, int index, struct reef_writer *w) {
	struct reef_bson_encoder e;
	encode_begin(&e, L, w, REEF_BSON_ANYTHING);
	e.at.first = lua_rawgeti(L, index, 1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
	lua_pop(L, 1);
	int n = (int)lua_rawlen(L, index);
	if (n % 2 != 0) {
		luaL_error(L, "Invalid ordered dict");
	}
	size_t offset = reef_bson_element_begin(&e);
	for (int i = 1; i < n; i += 2) {
		lua_rawgeti(L, index, i);
		lua_rawgeti(L, index, i + 1);
		listed_pair(&e, i / 2 + 1);
		lua_pop(L, 2);
	}
	reef_bson_element_end(&e, offset);
}
