/* Reading pictures, and tables that are made of them; see picture.h. */
#include "picture.h"

#include <string.h>

#include <lauxlib.h>

/* ---- bytes ---- */

bool reef_picture_get_number(struct reef_picture_reader *from, uint64_t *n) {
	*n = 0;
	for (unsigned shift = 0; shift < 64 && from->at < from->end; shift += 7) {
		unsigned char byte = (unsigned char)*from->at++;
		*n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

bool reef_picture_get_bytes(struct reef_picture_reader *from, const char **bytes, size_t *size) {
	uint64_t n;
	if (!reef_picture_get_number(from, &n) || n > (uint64_t)(from->end - from->at))
		return false;
	*bytes = from->at;
	*size = (size_t)n;
	from->at += n;
	return true;
}

/* ---- tables and values ---- */

bool reef_picture_get_table(struct reef_picture_reader *from, struct reef_pictured *table) {
	uint64_t array, hash, left;
	if (!reef_picture_get_number(from, &table->id) || !reef_picture_get_number(from, &table->metatable) ||
		!reef_picture_get_number(from, &array) || !reef_picture_get_number(from, &hash))
		return false;
	/* Each value has a byte at least. */
	left = (uint64_t)(from->end - from->at);
	if (table->id == 0 || array > left || hash > left || array + 2 * hash > left || left > INT32_MAX)
		return false;
	table->array = (uint32_t)array;
	table->hash = (uint32_t)hash;
	return true;
}

bool reef_picture_get_value(struct reef_picture_reader *from, struct reef_pictured_value *value) {
	*value = (struct reef_pictured_value){0};
	if (from->at >= from->end)
		return false;
	unsigned char type = (unsigned char)*from->at++;
	if (type >= REEF_PICTURED_TYPES)
		return false;
	value->type = (enum reef_pictured_type)type;
	switch (value->type) {
	case REEF_PICTURED_INTEGER:
		if (!reef_picture_get_number(from, &value->number))
			return false;
		value->number = value->number >> 1 ^ (0 - (value->number & 1));
		return true;
	case REEF_PICTURED_FLOAT:
		if ((size_t)(from->end - from->at) < sizeof(value->real))
			return false;
		memcpy(&value->real, from->at, sizeof(value->real));
		from->at += sizeof(value->real);
		return true;
	case REEF_PICTURED_STRING:
		return reef_picture_get_bytes(from, &value->bytes, &value->size);
	case REEF_PICTURED_POINTER:
		return reef_picture_get_number(from, &value->number);
	case REEF_PICTURED_TABLE:
		return reef_picture_get_number(from, &value->number) && value->number > 0;
	default:
		return true;
	}
}

bool reef_picture_skip(struct reef_picture_reader *from, const struct reef_pictured *table) {
	struct reef_pictured_value value;
	for (uint64_t i = 0; i < table->array + 2 * (uint64_t)table->hash; i++)
		if (!reef_picture_get_value(from, &value))
			return false;
	return true;
}

void reef_picture_push_value(lua_State *L, const struct reef_pictured_value *value) {
	switch (value->type) {
	case REEF_PICTURED_FALSE:
	case REEF_PICTURED_TRUE:
		lua_pushboolean(L, value->type == REEF_PICTURED_TRUE);
		break;
	case REEF_PICTURED_INTEGER:
		lua_pushinteger(L, (lua_Integer)value->number);
		break;
	case REEF_PICTURED_FLOAT:
		lua_pushnumber(L, value->real);
		break;
	case REEF_PICTURED_STRING:
		lua_pushlstring(L, value->bytes, value->size);
		break;
	case REEF_PICTURED_POINTER:
		lua_pushlightuserdata(L, (void *)(uintptr_t)value->number);
		break;
	default:
		lua_pushnil(L);
	}
}

/* ---- plain tables ---- */

/* With the tables by their ids at `all`. False: the bytes are wrong. */
static bool push_any(lua_State *L, struct reef_picture_reader *from, int all) {
	struct reef_pictured_value value;
	if (!reef_picture_get_value(from, &value))
		return false;
	if (value.type == REEF_PICTURED_TABLE)
		return lua_rawgeti(L, all, (lua_Integer)value.number) == LUA_TTABLE;
	reef_picture_push_value(L, &value);
	return true;
}

static bool is_key(lua_State *L, int index) {
	return lua_type(L, index) != LUA_TNUMBER || lua_tonumber(L, index) == lua_tonumber(L, index);
}

static bool fill(lua_State *L, struct reef_picture_reader *from, const struct reef_pictured *table, int all) {
	lua_rawgeti(L, all, (lua_Integer)table->id);
	for (uint32_t i = 1; i <= table->array; i++) {
		if (!push_any(L, from, all))
			return false;
		lua_rawseti(L, -2, i);
	}
	for (uint32_t i = 0; i < table->hash; i++) {
		if (!push_any(L, from, all) || !is_key(L, -1) || !push_any(L, from, all))
			return false;
		lua_rawset(L, -3);
	}
	if (table->metatable > 0) {
		if (lua_rawgeti(L, all, (lua_Integer)table->metatable) != LUA_TTABLE)
			return false;
		lua_setmetatable(L, -2);
	}
	lua_pop(L, 1);
	return true;
}

static bool make_all(lua_State *L, struct reef_picture_reader from, int all, lua_Integer *first) {
	struct reef_pictured table;
	*first = 0;
	while (from.at < from.end) {
		if (!reef_picture_get_table(&from, &table) || !reef_picture_skip(&from, &table))
			return false;
		lua_createtable(L, (int)table.array, (int)table.hash);
		lua_rawseti(L, all, (lua_Integer)table.id);
		*first = *first ? *first : (lua_Integer)table.id;
	}
	return *first != 0;
}

bool reef_picture_push(lua_State *L, const char *bytes, size_t size) {
	struct reef_picture_reader from = {bytes, bytes + size};
	struct reef_pictured table;
	lua_Integer first;
	luaL_checkstack(L, 8, NULL);
	int top = lua_gettop(L), all = top + 1;
	lua_newtable(L);
	bool whole = make_all(L, from, all, &first);
	while (whole && from.at < from.end)
		whole = reef_picture_get_table(&from, &table) && fill(L, &from, &table, all);
	if (whole) {
		lua_rawgeti(L, all, first);
		lua_replace(L, all);
	}
	lua_settop(L, whole ? all : top);
	return whole;
}
