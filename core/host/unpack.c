/* Bytes to Lua values; see pack_private.h for the format.
 *
 * Reading gathers the pairs of a table on the stack before it makes the table, so that most tables are made in their
 * final size. Nothing in the bytes is trusted. */
#include "unpack.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "pack.h"
#include "pack_private.h"

struct reader {
	lua_State *L;
	const uint8_t *at, *end, *begin;
	int bad; /* line that found the bytes wrong */
};

#define BAD(r) ((r)->bad = __LINE__, false)

static inline bool has(const struct reader *r, size_t size) {
	return (size_t)(r->end - r->at) >= size;
}

static inline void get(struct reader *r, void *to, size_t size) {
	memcpy(to, r->at, size);
	r->at += size;
}

static bool read_integer(struct reader *r, int cookie, lua_Integer *v) {
	size_t size = (size_t)(cookie == NUMBER_I64 ? 8 : cookie);
	if (!has(r, size))
		return BAD(r);
	switch (cookie) {
	case NUMBER_ZERO:
		*v = 0;
		return true;
	case NUMBER_U8:
		*v = *r->at++;
		return true;
	case NUMBER_U16: {
		uint16_t n;
		get(r, &n, 2);
		*v = n;
		return true;
	}
	case NUMBER_I32: {
		int32_t n;
		get(r, &n, 4);
		*v = n;
		return true;
	}
	case NUMBER_I64: {
		int64_t n;
		get(r, &n, 8);
		*v = n;
		return true;
	}
	default:
		return BAD(r);
	}
}

static bool read_string(struct reader *r, size_t size) {
	if (!has(r, size))
		return BAD(r);
	lua_pushlstring(r->L, (const char *)r->at, size);
	r->at += size;
	return true;
}

static bool read_number_value(struct reader *r, int cookie) {
	if (cookie == NUMBER_DOUBLE) {
		double n;
		if (!has(r, 8))
			return BAD(r);
		get(r, &n, 8);
		lua_pushnumber(r->L, n);
		return true;
	}
	lua_Integer n;
	if (!read_integer(r, cookie, &n))
		return false;
	lua_pushinteger(r->L, n);
	return true;
}

static bool read_long_string(struct reader *r, int cookie) {
	uint16_t small;
	uint32_t large;
	if (cookie == 2) {
		if (!has(r, 2))
			return BAD(r);
		get(r, &small, 2);
		return read_string(r, small);
	}
	if (cookie != 4 || !has(r, 4))
		return BAD(r);
	get(r, &large, 4);
	return read_string(r, large);
}

static bool read_value(struct reader *r, int depth);

/* Every item takes a byte at least, so a length that lies is found before anything is made. */
static bool read_array_length(struct reader *r, int cookie, lua_Integer *length) {
	*length = cookie;
	if (cookie == COOKIE_LIMIT - 1) {
		if (!has(r, 1))
			return BAD(r);
		uint8_t tag = *r->at++;
		if ((tag & 7) != TYPE_NUMBER || !read_integer(r, tag >> 3, length))
			return BAD(r);
	}
	if (*length < 0 || *length > r->end - r->at || *length > INT32_MAX)
		return BAD(r);
	return true;
}

static bool is_key(lua_State *L, int index) {
	return lua_type(L, index) != LUA_TNUMBER || lua_tonumber(L, index) == lua_tonumber(L, index);
}

/* The pairs up to the nil that ends the table at `base`, which is made here, behind the first of them, if `made` does not
 * say that it has been. */
static bool read_pairs(struct reader *r, int base, bool made, int depth) {
	lua_State *L = r->L;
	int pairs = 0;
	for (;;) {
		if (!has(r, 1))
			return BAD(r);
		bool end = (*r->at & 7) == TYPE_NIL;
		if (end || made || pairs == GATHERED_PAIRS) {
			if (!made) {
				lua_createtable(L, 0, end ? pairs : 2 * pairs);
				lua_insert(L, base);
				made = true;
			}
			for (; pairs; pairs--)
				lua_rawset(L, base);
		}
		if (end) {
			if (*r->at++ >> 3 == END_OF_EMPTY_ARRAY) {
				reef_pack_array_metatable(L);
				lua_setmetatable(L, base);
			}
			return true;
		}
		if (!read_value(r, depth))
			return false;
		if (!is_key(L, -1))
			return BAD(r);
		if (!read_value(r, depth))
			return false;
		pairs++;
	}
}

static bool read_table(struct reader *r, int cookie, int depth) {
	lua_State *L = r->L;
	lua_Integer length;
	if (depth > MAX_DEPTH + 1 || !lua_checkstack(L, 2 * GATHERED_PAIRS + LUA_MINSTACK))
		return BAD(r);
	if (!read_array_length(r, cookie, &length))
		return false;
	int base = lua_gettop(L) + 1;
	if (length == 0)
		return read_pairs(r, base, false, depth);
	lua_createtable(L, (int)length, 0);
	for (lua_Integer i = 1; i <= length; i++) {
		if (!read_value(r, depth))
			return false;
		lua_rawseti(L, base, i);
	}
	if (!has(r, 1))
		return BAD(r);
	if ((*r->at & 7) == TYPE_NIL) {
		r->at++;
		return true;
	}
	return read_pairs(r, base, true, depth);
}

static bool read_value(struct reader *r, int depth) {
	lua_State *L = r->L;
	if (!has(r, 1))
		return BAD(r);
	uint8_t tag = *r->at++;
	int cookie = tag >> 3;
	switch (tag & 7) {
	case TYPE_NIL:
		lua_pushnil(L);
		return true;
	case TYPE_BOOLEAN:
		lua_pushboolean(L, cookie);
		return true;
	case TYPE_NUMBER:
		return read_number_value(r, cookie);
	case TYPE_POINTER: {
		void *p;
		if (!has(r, 8))
			return BAD(r);
		get(r, &p, 8);
		lua_pushlightuserdata(L, p);
		return true;
	}
	case TYPE_SHORT_STRING:
		return read_string(r, (size_t)cookie);
	case TYPE_LONG_STRING:
		return read_long_string(r, cookie);
	case TYPE_TABLE:
		return read_table(r, cookie, depth + 1);
	default:
		return BAD(r);
	}
}

int reef_unpack(lua_State *L, const void *data, size_t size) {
	struct reader r = {.L = L, .at = data, .begin = data};
	int top = lua_gettop(L);
	r.end = r.at + size;
	for (int room = 0; size && r.at < r.end; room--) {
		if (room == 0) {
			room = LUA_MINSTACK;
			if (!lua_checkstack(L, room + 2)) {
				r.bad = __LINE__;
				break;
			}
		}
		if (!read_value(&r, 0))
			break;
	}
	if (r.bad) {
		lua_settop(L, top);
		lua_pushfstring(L, "Invalid serialize stream %d (line:%d)", (int)(r.at - r.begin), r.bad);
		return -1;
	}
	return lua_gettop(L) - top;
}
