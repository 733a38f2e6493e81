/* See decode_scalar.h. */
#include "decode_scalar.h"

#include <string.h>

#include <lauxlib.h>

#include "decode.h"
#include "format.h"
#include "tag.h"
#include "writer.h"

static void push_binary(lua_State *L, const uint8_t *p, size_t size) {
	if (p[4] != 2) {
		reef_bson_tag_push(L, REEF_BSON_BINARY, p + 4, size - 4);
		return;
	}
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	luaL_addlstring(&b, "\0\5\2", 3);
	luaL_addlstring(&b, (const char *)p + 9, size - 9);
	luaL_pushresult(&b);
}

static void push_double(lua_State *L, const uint8_t *p) {
	uint64_t bits = reef_get64(p);
	double d;
	memcpy(&d, &bits, 8);
	lua_pushnumber(L, d);
}

void reef_bson_decode_string(lua_State *L, const struct reef_bson_element *e, unsigned flags) {
	const char *s = (const char *)e->value + 4;
	size_t size = e->value_size - 5;
	if ((flags & REEF_BSON_EXACT) != 0 && size >= 2 && s[0] == 0) {
		reef_bson_tag_push(L, REEF_BSON_STRING, s, size);
	} else {
		lua_pushlstring(L, s, size);
	}
}

static void push_int64(lua_State *L, const uint8_t *p, unsigned flags) {
	int64_t i = (int64_t)reef_get64(p);
	if ((flags & REEF_BSON_EXACT) != 0 && i >= INT32_MIN && i <= INT32_MAX) {
		reef_bson_tag_push(L, REEF_BSON_INT64, p, 8);
	} else {
		lua_pushinteger(L, i);
	}
}

void reef_bson_decode_scalar(lua_State *L, const struct reef_bson_element *e, unsigned flags) {
	const uint8_t *p = e->value;
	switch (e->type) {
	case REEF_BSON_DOUBLE:
		push_double(L, p);
		break;
	case REEF_BSON_STRING:
		reef_bson_decode_string(L, e, flags);
		break;
	case REEF_BSON_BINARY:
		push_binary(L, p, e->value_size);
		break;
	case REEF_BSON_BOOLEAN:
		lua_pushboolean(L, p[0]);
		break;
	case REEF_BSON_DATE:
		reef_bson_tag_push_date(L, (int64_t)reef_get64(p));
		break;
	case REEF_BSON_INT32:
		lua_pushinteger(L, (int32_t)reef_get32(p));
		break;
	case REEF_BSON_INT64:
		push_int64(L, p, flags);
		break;
	default:
		reef_bson_tag_push(L, e->type, p, e->value_size);
		break;
	}
}
