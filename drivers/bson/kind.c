/* See kind.h. What is said of each type is in one table. */
#include "kind.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "decimal.h"
#include "format.h"
#include "hex.h"
#include "object.h"
#include "reader.h"
#include "tag.h"
#include "writer.h"

static int push_name(lua_State *L, const char *name) {
	lua_pushstring(L, name);
	return 1;
}

static int type_date(lua_State *L, const uint8_t *p, size_t size) {
	int64_t ms = size == 4 ? (int64_t)(int32_t)reef_get32(p) * 1000 : (int64_t)reef_get64(p);
	int64_t rest = ms % 1000;
	rest = rest < 0 ? rest + 1000 : rest;
	lua_pushinteger(L, (ms - rest) / 1000);
	lua_pushinteger(L, rest);
	return 3;
}

static int type_oid(lua_State *L, const uint8_t *p) {
	char hex[2 * REEF_BSON_OID_SIZE];
	reef_hex_encode(hex, p, REEF_BSON_OID_SIZE);
	lua_pushlstring(L, hex, sizeof(hex));
	return 2;
}

static int type_decimal(lua_State *L, const uint8_t *p) {
	char text[REEF_DECIMAL_TEXT];
	reef_decimal_print(text, p);
	lua_pushstring(L, text);
	return 2;
}

struct type_name {
	uint8_t type;
	size_t size;            /* of the payload; 0: any */
	const char *old, *name; /* for `type`; for `kind`: the server's alias */
};

static const struct type_name names[] = {
		{REEF_BSON_STRING, 0, "string", "string"},
		{REEF_BSON_BINARY, 0, "binary", "binData"},
		{REEF_BSON_UNDEFINED, 0, "undefined", "undefined"},
		{REEF_BSON_OBJECTID, REEF_BSON_OID_SIZE, "objectid", "objectId"},
		{REEF_BSON_DATE, 0, "date", "date"},
		{REEF_BSON_NULL, 0, "nil", "null"},
		{REEF_BSON_REGEX, 0, "regex", "regex"},
		{REEF_BSON_DBPOINTER, 0, "unsupported", "dbPointer"},
		{REEF_BSON_CODE, 0, "unsupported", "javascript"},
		{REEF_BSON_SYMBOL, 0, "unsupported", "symbol"},
		{REEF_BSON_CODE_SCOPE, 0, "unsupported", "javascriptWithScope"},
		{REEF_BSON_TIMESTAMP, 8, "timestamp", "timestamp"},
		{REEF_BSON_INT64, 8, "int64", "long"},
		{REEF_BSON_DECIMAL128, 16, "decimal128", "decimal"},
		{REEF_BSON_MINKEY, 0, "minkey", "minKey"},
		{REEF_BSON_MAXKEY, 0, "maxkey", "maxKey"},
};

/* NULL if there is no such type. */
static const struct type_name *name_of(uint8_t type) {
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return &names[i];
	return NULL;
}

static bool has_size(const struct type_name *n, size_t size) {
	return !((n->size != 0 && size != n->size + 2) || (n->type == REEF_BSON_DATE && size != 6 && size != 10) ||
			 (n->type == REEF_BSON_BINARY && size < 3));
}

uint8_t reef_bson_kind_of_tagged(const uint8_t *tagged, size_t size) {
	const struct type_name *n = name_of(tagged[1]);
	return n && has_size(n, size) ? n->type : 0;
}

static const struct type_name *find_name(lua_State *L, const uint8_t *p, size_t size) {
	const struct type_name *n = name_of(p[1]);
	if (n == NULL)
		luaL_error(L, "Invalid subtype %d", (int)p[1]);
	else if (!has_size(n, size))
		luaL_error(L, "Invalid %s", n->old);
	return n;
}

/* The payload's parts behind the name on the stack; answers how many values there are with the name. */
static int type_parts(lua_State *L, uint8_t type, const uint8_t *p, size_t size) {
	switch (type) {
	case REEF_BSON_STRING:
		lua_pushlstring(L, (const char *)p, size);
		return 2;
	case REEF_BSON_BINARY:
		lua_pushlstring(L, (const char *)p + 1, size - 1);
		lua_pushinteger(L, p[0]);
		return 3;
	case REEF_BSON_OBJECTID:
		return type_oid(L, p);
	case REEF_BSON_DATE:
		return type_date(L, p, size);
	case REEF_BSON_REGEX: {
		const char *pattern = lua_pushstring(L, (const char *)p);
		size_t used = strlen(pattern) + 1;
		lua_pushstring(L, used < size ? (const char *)p + used : "");
		return 3;
	}
	case REEF_BSON_TIMESTAMP:
		lua_pushinteger(L, reef_get32(p + 4));
		lua_pushinteger(L, reef_get32(p));
		return 3;
	case REEF_BSON_INT64:
		lua_pushinteger(L, (lua_Integer)reef_get64(p));
		return 2;
	case REEF_BSON_DECIMAL128:
		return type_decimal(L, p);
	default:
		return 1;
	}
}

/* A plain Lua value's name and itself; 0 for a tagged string. */
static int type_plain(lua_State *L, const char *const by_type[]) {
	int type = lua_type(L, 1);
	lua_settop(L, 1);
	if (type == LUA_TSTRING) {
		size_t size;
		const char *s = lua_tolstring(L, 1, &size);
		if (size >= 2 && s[0] == 0) {
			return 0;
		}
	}
	if (type < 0 || by_type[type] == NULL) {
		return luaL_error(L, "Invalid type %s", luaL_typename(L, 1));
	}
	push_name(L, by_type[type]);
	lua_insert(L, 1);
	return 2;
}

/* type(v) -> name, value [, extra], as the contract has it. */
static int value_type(lua_State *L) {
	static const char *const by_type[LUA_NUMTYPES] = {
			[LUA_TNIL] = "nil",       [LUA_TBOOLEAN] = "boolean", [LUA_TNUMBER] = "number",
			[LUA_TSTRING] = "string", [LUA_TTABLE] = "table",
	};
	luaL_checkany(L, 1);
	int n = type_plain(L, by_type);
	if (n > 0) {
		return n;
	}
	size_t size;
	const uint8_t *p = (const uint8_t *)lua_tolstring(L, 1, &size);
	const struct type_name *name = find_name(L, p, size);
	push_name(L, name->old);
	if (strcmp(name->old, "unsupported") == 0) {
		lua_pushlstring(L, (const char *)p + 2, size - 2);
		return 2;
	}
	return type_parts(L, p[1], p + 2, size - 2);
}

/* Code, symbol, pointer, code with scope: their parts. The payload was not necessarily made by us: check it. */
static int kind_parts(lua_State *L, uint8_t type, const uint8_t *p, size_t size) {
	size_t need;
	const char *error;
	if (!reef_bson_reader_payload(type, p, size, 1, &need, &error) || need != size) {
		return luaL_error(L, "Invalid value");
	}
	if (type == REEF_BSON_CODE_SCOPE) {
		size_t code = reef_get32(p + 4);
		lua_pushlstring(L, (const char *)p + 8, code - 1);
		reef_bson_object_push(L, p + 8 + code, size - 8 - code);
		return 3;
	}
	size_t text = reef_get32(p);
	lua_pushlstring(L, (const char *)p + 4, text - 1);
	if (type == REEF_BSON_DBPOINTER) {
		reef_bson_tag_push(L, REEF_BSON_OBJECTID, p + 4 + text, REEF_BSON_OID_SIZE);
		return 3;
	}
	return 2;
}

/* kind(v) -> the server's alias of the BSON type that v becomes, and v's parts. */
static int value_kind(lua_State *L) {
	static const char *const by_type[LUA_NUMTYPES] = {
			[LUA_TBOOLEAN] = "bool",
			[LUA_TNUMBER] = "double",
			[LUA_TSTRING] = "string",
			[LUA_TTABLE] = "object",
	};
	luaL_checkany(L, 1);
	if (lua_isinteger(L, 1)) {
		lua_Integer i = lua_tointeger(L, 1);
		lua_settop(L, 1);
		push_name(L, i >= INT32_MIN && i <= INT32_MAX ? "int" : "long");
		lua_insert(L, 1);
		return 2;
	}
	int n = type_plain(L, by_type);
	if (n > 0) {
		return n;
	}
	size_t size;
	const uint8_t *p = (const uint8_t *)lua_tolstring(L, 1, &size);
	push_name(L, find_name(L, p, size)->name);
	switch (p[1]) {
	case REEF_BSON_CODE:
	case REEF_BSON_SYMBOL:
	case REEF_BSON_DBPOINTER:
	case REEF_BSON_CODE_SCOPE:
		return kind_parts(L, p[1], p + 2, size - 2);
	default:
		return type_parts(L, p[1], p + 2, size - 2);
	}
}

void reef_bson_kind_register(lua_State *L) {
	static const luaL_Reg functions[] = {{"type", value_type}, {"kind", value_kind}, {NULL, NULL}};
	luaL_setfuncs(L, functions, 0);
}
