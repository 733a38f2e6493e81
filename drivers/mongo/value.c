/* Values that Lua has no type for: their constructors, and what they say about themselves.
 *
 * Each is a string: NUL, the BSON type, and the payload as the format has it, except that
 *   binary     subtype, bytes
 *   date       4 bytes of seconds, or 8 of milliseconds where seconds do not tell all
 *   string     the bytes (only needed for strings that begin with NUL themselves)
 * Equal values are equal strings; they may be keys of tables.
 */
#include "bson.h"
#include "decimal.h"
#include "text.h"

#include <lauxlib.h>
#include <math.h>
#include <sys/random.h>

static int push_tag(lua_State *L, uint8_t type, const void *bytes, size_t size) {
	luaL_Buffer b;
	char *p = luaL_buffinitsize(L, &b, size + 2);
	p[0] = 0;
	p[1] = (char)type;
	if (size > 0) {
		memcpy(p + 2, bytes, size);
	}
	luaL_pushresultsize(&b, size + 2);
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

void reef_bson_sort_flags(char *flags, size_t size) {
	/* Flags are letters. What is not stays as it is: sorted bytes of other characters would be no text any more. */
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)flags[i] >= 0x80)
			return;
	}
	for (size_t i = 1; i < size; i++) {
		char c = flags[i];
		size_t j = i;
		for (; j > 0 && flags[j - 1] > c; j--) {
			flags[j] = flags[j - 1];
		}
		flags[j] = c;
	}
}

/* ---- constructors ---- */

static int new_objectid(lua_State *L) {
	uint8_t oid[REEF_BSON_OID_SIZE];
	if (lua_isnoneornil(L, 1)) {
		reef_bson_new_oid(oid);
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
	uint8_t p[8];
	if (ms % 1000 == 0 && ms / 1000 >= INT32_MIN && ms / 1000 <= INT32_MAX) {
		reef_put32(p, (uint32_t)(ms / 1000));
		return push_tag(L, REEF_BSON_DATE, p, 4);
	}
	reef_put64(p, (uint64_t)ms);
	return push_tag(L, REEF_BSON_DATE, p, 8);
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
	lua_Integer increment = lua_isnoneornil(L, 2) ? (lua_Integer)reef_bson_next_increment() : luaL_checkinteger(L, 2);
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
	reef_bson_sort_flags(p + 2 + pattern_size + 1, flags_size);
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
		if (getrandom(p + 1, 16, 0) != 16) {
			return luaL_error(L, "no random numbers");
		}
		p[7] = (uint8_t)((p[7] & 0x0f) | 0x40);
		p[9] = (uint8_t)((p[9] & 0x3f) | 0x80);
	} else {
		size_t size;
		const char *s = luaL_checklstring(L, 1, &size);
		luaL_argcheck(L, reef_uuid_decode(p + 1, s, size), 1, "not a UUID");
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
	struct reef_writer *w = reef_bson_borrow_writer(L, REEF_BSON_SIZE);
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
	reef_bson_return_writer(L, 3);
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

/* ---- what a value is ---- */

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

static const struct type_name *find_name(lua_State *L, const uint8_t *p, size_t size) {
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct type_name *n = &names[i];
		if (n->type == p[1]) {
			if ((n->size != 0 && size != n->size + 2) || (p[1] == REEF_BSON_DATE && size != 6 && size != 10) ||
				(p[1] == REEF_BSON_BINARY && size < 3)) {
				luaL_error(L, "Invalid %s", n->old);
			}
			return n;
		}
	}
	luaL_error(L, "Invalid subtype %d", (int)p[1]);
	return NULL;
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
	if (!reef_bson_payload(type, p, size, 1, &need, &error) || need != size) {
		return luaL_error(L, "Invalid value");
	}
	if (type == REEF_BSON_CODE_SCOPE) {
		size_t code = reef_get32(p + 4);
		lua_pushlstring(L, (const char *)p + 8, code - 1);
		reef_bson_push_object(L, p + 8 + code, size - 8 - code);
		return 3;
	}
	size_t text = reef_get32(p);
	lua_pushlstring(L, (const char *)p + 4, text - 1);
	if (type == REEF_BSON_DBPOINTER) {
		push_tag(L, REEF_BSON_OBJECTID, p + 4 + text, REEF_BSON_OID_SIZE);
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

void reef_bson_register_values(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"objectid", new_objectid},
			{"date", new_date},
			{"datetime", new_datetime},
			{"timestamp", new_timestamp},
			{"regex", new_regex},
			{"binary", new_binary},
			{"uuid", new_uuid},
			{"int64", new_int64},
			{"decimal128", new_decimal128},
			{"string", new_string},
			{"code", new_code},
			{"symbol", new_symbol},
			{"dbpointer", new_dbpointer},
			{"type", value_type},
			{"kind", value_kind},
			{NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
}
