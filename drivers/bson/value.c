/* See value.h. */
#include "value.h"
#include "core/chance.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "core/utf8.h"
#include "decimal.h"
#include "encode.h"
#include "format.h"
#include "hex.h"
#include "lua_writer.h"
#include "oid.h"
#include "regex.h"
#include "tag.h"

static int push_tag(lua_State *L, uint8_t type, const void *payload, size_t size) {
	reef_bson_tag_push(L, type, payload, size);
	return 1;
}

static const char *check_utf8(lua_State *L, int arg, size_t *size) {
	const char *s = luaL_checklstring(L, arg, size);
	luaL_argcheck(L, reef_utf8_valid(s, *size), arg, "Invalid utf8 string");
	return s;
}

/* Text without NUL, for parts that end at one. */
static const char *check_cstring(lua_State *L, int arg, size_t *size) {
	const char *s = check_utf8(L, arg, size);
	luaL_argcheck(L, strlen(s) == *size, arg, "contains a NUL");
	return s;
}

/* ---- constructors ---- */

static int new_objectid(lua_State *L) {
	uint8_t oid[REEF_BSON_OID_SIZE];
	if (lua_isnoneornil(L, 1)) {
		reef_bson_oid_new(oid);
	} else {
		size_t size;
		const char *s = luaL_checklstring(L, 1, &size);
		if (size != 2 * sizeof(oid) || !reef_hex_decode(oid, s, size)) {
			return luaL_error(L, "Invalid object id");
		}
	}
	return push_tag(L, REEF_BSON_OBJECTID, oid, sizeof(oid));
}

static int push_milliseconds(lua_State *L, int64_t ms) {
	reef_bson_tag_push_date(L, ms);
	return 1;
}

static int new_date(lua_State *L) {
	lua_Number s = floor(luaL_checknumber(L, 1));
	luaL_argcheck(L, s >= -9e15 && s <= 9e15, 1, "date out of range");
	return push_milliseconds(L, (int64_t)s * 1000);
}

static int new_datetime(lua_State *L) {
	return push_milliseconds(L, luaL_checkinteger(L, 1));
}

static int new_timestamp(lua_State *L) {
	uint8_t p[8];
	lua_Integer seconds = luaL_checkinteger(L, 1);
	lua_Integer increment =
			lua_isnoneornil(L, 2) ? (lua_Integer)reef_bson_oid_next_increment() : luaL_checkinteger(L, 2);
	luaL_argcheck(L, seconds >= 0 && seconds <= UINT32_MAX, 1, "not an unsigned 32-bit number");
	luaL_argcheck(L, increment >= 0 && increment <= UINT32_MAX, 2, "not an unsigned 32-bit number");
	reef_put32(p, (uint32_t)increment);
	reef_put32(p + 4, (uint32_t)seconds);
	return push_tag(L, REEF_BSON_TIMESTAMP, p, 8);
}

static int new_regex(lua_State *L) {
	size_t pattern_size, flags_size = 0;
	const char *pattern = check_cstring(L, 1, &pattern_size);
	const char *flags = lua_isnoneornil(L, 2) ? "" : check_cstring(L, 2, &flags_size);
	luaL_Buffer b;
	char *p = luaL_buffinitsize(L, &b, 2 + pattern_size + 1 + flags_size + 1);
	p[0] = 0;
	p[1] = REEF_BSON_REGEX;
	memcpy(p + 2, pattern, pattern_size + 1);
	memcpy(p + 2 + pattern_size + 1, flags, flags_size + 1);
	reef_bson_regex_sort_flags(p + 2 + pattern_size + 1, flags_size);
	luaL_pushresultsize(&b, 2 + pattern_size + 1 + flags_size + 1);
	return 1;
}

static int new_binary(lua_State *L) {
	luaL_checkstring(L, 1);
	lua_Integer subtype = luaL_optinteger(L, 2, 0);
	luaL_argcheck(L, subtype >= 0 && subtype <= 255, 2, "not a subtype (0 to 255)");
	lua_settop(L, 1);
	char head[3] = {0, REEF_BSON_BINARY, (char)subtype};
	lua_pushlstring(L, head, 3);
	lua_insert(L, 1);
	lua_concat(L, 2);
	return 1;
}

static int new_uuid(lua_State *L) {
	uint8_t p[17] = {4};
	if (lua_isnoneornil(L, 1)) {
		if (!reef_chance_fill(p + 1, 16, true)) {
			return luaL_error(L, "no random numbers");
		}
		p[7] = (uint8_t)((p[7] & 0x0f) | 0x40);
		p[9] = (uint8_t)((p[9] & 0x3f) | 0x80);
	} else {
		size_t size;
		const char *s = luaL_checklstring(L, 1, &size);
		luaL_argcheck(L, reef_hex_decode_uuid(p + 1, s, size), 1, "not a UUID");
	}
	return push_tag(L, REEF_BSON_BINARY, p, sizeof(p));
}

static int new_int64(lua_State *L) {
	uint8_t p[8];
	reef_put64(p, (uint64_t)luaL_checkinteger(L, 1));
	return push_tag(L, REEF_BSON_INT64, p, 8);
}

static int new_decimal128(lua_State *L) {
	size_t size;
	const char *s = luaL_checklstring(L, 1, &size);
	uint8_t p[REEF_DECIMAL_SIZE];
	if (strlen(s) != size || !reef_decimal_parse(p, s)) {
		return luaL_error(L, "Invalid decimal128");
	}
	return push_tag(L, REEF_BSON_DECIMAL128, p, sizeof(p));
}

static int new_string(lua_State *L) {
	size_t size;
	const char *s = check_utf8(L, 1, &size);
	return push_tag(L, REEF_BSON_STRING, s, size);
}

/* Adds a length, the text and its NUL. */
static void add_string(luaL_Buffer *b, const char *s, size_t size) {
	char length[4];
	reef_put32((uint8_t *)length, (uint32_t)size + 1);
	luaL_addlstring(b, length, 4);
	luaL_addlstring(b, s, size + 1);
}

static int new_text(lua_State *L, uint8_t type) {
	size_t size;
	const char *s = check_utf8(L, 1, &size);
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	luaL_addchar(&b, 0);
	luaL_addchar(&b, (char)type);
	add_string(&b, s, size);
	luaL_pushresult(&b);
	return 1;
}

static int new_symbol(lua_State *L) {
	return new_text(L, REEF_BSON_SYMBOL);
}

static int new_code(lua_State *L) {
	if (lua_isnoneornil(L, 2)) {
		return new_text(L, REEF_BSON_CODE);
	}
	size_t size;
	const char *s = check_utf8(L, 1, &size);
	lua_settop(L, 2);
	struct reef_writer *w = reef_lua_writer_borrow(L, REEF_BSON_SIZE);
	uint8_t *head = reef_writer_add(w, 2 + 4 + 4 + size + 1);
	if (head == NULL) {
		return luaL_error(L, "not enough memory");
	}
	head[0] = 0;
	head[1] = REEF_BSON_CODE_SCOPE;
	reef_put32(head + 6, (uint32_t)size + 1);
	memcpy(head + 10, s, size + 1);
	reef_bson_encode(L, 2, w, REEF_BSON_DATA);
	reef_put32(w->data + 2, (uint32_t)w->size - 2);
	lua_pushlstring(L, (const char *)w->data, w->size);
	reef_lua_writer_return(L, 3);
	return 1;
}

static int new_dbpointer(lua_State *L) {
	size_t size, oid_size;
	const char *s = check_utf8(L, 1, &size);
	const char *oid = luaL_checklstring(L, 2, &oid_size);
	luaL_argcheck(L, oid_size == 14 && oid[0] == 0 && oid[1] == REEF_BSON_OBJECTID, 2, "not an object id");
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	luaL_addchar(&b, 0);
	luaL_addchar(&b, (char)REEF_BSON_DBPOINTER);
	add_string(&b, s, size);
	luaL_addlstring(&b, oid + 2, 12);
	luaL_pushresult(&b);
	return 1;
}

void reef_bson_value_register(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"objectid", new_objectid},   {"date", new_date},   {"datetime", new_datetime},
			{"timestamp", new_timestamp}, {"regex", new_regex}, {"binary", new_binary},
			{"uuid", new_uuid},           {"int64", new_int64}, {"decimal128", new_decimal128},
			{"string", new_string},       {"code", new_code},   {"symbol", new_symbol},
			{"dbpointer", new_dbpointer}, {NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
}
