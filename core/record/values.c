/* See values.h. */
#include "values.h"

#include <string.h>

#include <lauxlib.h>

#include "format.h"

#define DEPTH 64

enum { NIL, NO, YES, INTEGER, FLOAT, STRING, TABLE, TABLE_END, OTHER };

static void add_byte(struct reef_text *to, uint8_t byte) {
	reef_text_add(to, (const char *)&byte, 1);
}

static void add_number(struct reef_text *to, int64_t n) {
	uint8_t bytes[REEF_RECORD_NUMBER_MAX];
	reef_text_add(to, (const char *)bytes, (size_t)(reef_record_put_number(bytes, n) - bytes));
}

static bool add_value(struct reef_text *to, lua_State *L, int index, int depth);

static bool add_table(struct reef_text *to, lua_State *L, int index, int depth) {
	bool plain = !lua_getmetatable(L, index);
	if (!plain)
		lua_pop(L, 1);
	if (depth == 0 || !plain || !lua_checkstack(L, 4)) {
		add_byte(to, OTHER);
		add_byte(to, LUA_TTABLE);
		return false;
	}
	add_byte(to, TABLE);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		int top = lua_gettop(L);
		plain &= add_value(to, L, top - 1, depth - 1);
		plain &= add_value(to, L, top, depth - 1);
	}
	add_byte(to, TABLE_END);
	return plain;
}

static bool add_value(struct reef_text *to, lua_State *L, int index, int depth) {
	size_t size;
	const char *text;
	lua_Number number;
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		add_byte(to, NIL);
		return true;
	case LUA_TBOOLEAN:
		add_byte(to, lua_toboolean(L, index) ? YES : NO);
		return true;
	case LUA_TNUMBER:
		add_byte(to, lua_isinteger(L, index) ? INTEGER : FLOAT);
		if (lua_isinteger(L, index)) {
			add_number(to, lua_tointeger(L, index));
			return true;
		}
		number = lua_tonumber(L, index);
		reef_text_add(to, (const char *)&number, sizeof number);
		return true;
	case LUA_TSTRING:
		text = lua_tolstring(L, index, &size);
		add_byte(to, STRING);
		add_number(to, (int64_t)size);
		reef_text_add(to, text, size);
		return true;
	case LUA_TTABLE:
		return add_table(to, L, index, depth);
	default:
		add_byte(to, OTHER);
		add_byte(to, (uint8_t)lua_type(L, index));
		return false;
	}
}

bool reef_values_add(struct reef_text *to, lua_State *L, int first) {
	bool all = true;
	for (int i = first, top = lua_gettop(L); i <= top; i++)
		all &= add_value(to, L, i, DEPTH);
	return all;
}

/* ---- back ---- */

struct bytes {
	const char *at, *end;
};

static bool get_number(struct bytes *from, int64_t *n) {
	uint64_t raw;
	const uint8_t *at = (const uint8_t *)from->at;
	bool whole = reef_record_get_size(&at, (const uint8_t *)from->end, &raw);
	from->at = (const char *)at;
	*n = reef_record_signed(raw);
	return whole;
}

static bool push_value(lua_State *L, struct bytes *from, int depth);

static bool push_table(lua_State *L, struct bytes *from, int depth) {
	if (depth == 0 || !lua_checkstack(L, 4))
		return false;
	lua_newtable(L);
	while (from->at < from->end && *from->at != TABLE_END) {
		if (!push_value(L, from, depth - 1) || !push_value(L, from, depth - 1) || lua_isnil(L, -2) ||
			(lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) != lua_tonumber(L, -2)))
			return false;
		lua_rawset(L, -3);
	}
	return from->at++ < from->end;
}

static bool push_value(lua_State *L, struct bytes *from, int depth) {
	int64_t n;
	lua_Number number;
	if (from->at >= from->end)
		return false;
	switch (*from->at++) {
	case NIL:
		lua_pushnil(L);
		return true;
	case NO:
	case YES:
		lua_pushboolean(L, from->at[-1] == YES);
		return true;
	case INTEGER:
		if (!get_number(from, &n))
			return false;
		lua_pushinteger(L, n);
		return true;
	case FLOAT:
		if ((size_t)(from->end - from->at) < sizeof number)
			return false;
		memcpy(&number, from->at, sizeof number);
		from->at += sizeof number;
		lua_pushnumber(L, number);
		return true;
	case STRING:
		if (!get_number(from, &n) || n < 0 || n > from->end - from->at)
			return false;
		lua_pushlstring(L, from->at, (size_t)n);
		from->at += n;
		return true;
	case TABLE:
		return push_table(L, from, depth);
	default:
		return false;
	}
}

int reef_values_push(lua_State *L, const char *bytes, size_t size) {
	struct bytes from = {bytes, bytes + size};
	int base = lua_gettop(L);
	while (from.at < from.end) {
		if (!lua_checkstack(L, 4) || !push_value(L, &from, DEPTH)) {
			lua_settop(L, base);
			return -1;
		}
	}
	return lua_gettop(L) - base;
}
