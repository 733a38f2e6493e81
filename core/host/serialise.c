/* Lua values to bytes and back; see the header for the format.
 *
 * Writing goes into the worker's scratch buffer, and from there in one piece to where it is wanted. When that is too
 * small, or user code has to run in between (__pairs, which may pack as well), the bytes move into a userdata on the
 * Lua stack, which an error frees. Reading gathers the pairs of a table on the stack before it makes the table, so that
 * most tables are made in their final size. */
#include "serialise.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/message.h"
#include "core/slice.h"

enum { TYPE_NIL, TYPE_BOOLEAN, TYPE_NUMBER, TYPE_POINTER, TYPE_SHORT_STRING, TYPE_LONG_STRING, TYPE_TABLE };
enum { NUMBER_ZERO = 0, NUMBER_U8 = 1, NUMBER_U16 = 2, NUMBER_I32 = 4, NUMBER_I64 = 6, NUMBER_DOUBLE = 8 };
/* With the nil that ends a table: it is an array, which its content cannot say. */
enum { END_OF_EMPTY_ARRAY = 1 };
enum { COOKIE_LIMIT = 32, MAX_DEPTH = 32, GATHERED_PAIRS = 32 };

/* ---- writing ---- */

struct writer {
	lua_State *L;
	char *at, *end;
	char *begin;
	int box;  /* stack index of the userdata that holds the bytes, 0: they are in the scratch buffer */
	int slot; /* stack index kept for the box */
};

static void grow(struct writer *w, size_t need) {
	size_t used = (size_t)(w->at - w->begin);
	size_t capacity = 2 * (used + need) + 256;
	char *begin = lua_newuserdatauv(w->L, capacity, 0);
	memcpy(begin, w->begin, used);
	lua_replace(w->L, w->slot);
	w->box = w->slot;
	w->begin = begin;
	w->at = begin + used;
	w->end = begin + capacity;
}

static inline void reserve(struct writer *w, size_t size) {
	if ((size_t)(w->end - w->at) < size)
		grow(w, size);
}

static inline void put(struct writer *w, const void *data, size_t size) {
	memcpy(w->at, data, size);
	w->at += size;
}

static inline void put_tag(struct writer *w, int type, int cookie) {
	*w->at++ = (char)(type | cookie << 3);
}

static void write_integer(struct writer *w, lua_Integer v) {
	reserve(w, 9);
	if (v == 0) {
		put_tag(w, TYPE_NUMBER, NUMBER_ZERO);
	} else if (v != (int32_t)v) {
		put_tag(w, TYPE_NUMBER, NUMBER_I64);
		put(w, &(int64_t){v}, 8);
	} else if (v < 0 || v >= 0x10000) {
		put_tag(w, TYPE_NUMBER, NUMBER_I32);
		put(w, &(int32_t){(int32_t)v}, 4);
	} else if (v >= 0x100) {
		put_tag(w, TYPE_NUMBER, NUMBER_U16);
		put(w, &(uint16_t){(uint16_t)v}, 2);
	} else {
		put_tag(w, TYPE_NUMBER, NUMBER_U8);
		*w->at++ = (char)v;
	}
}

static void write_string(struct writer *w, const char *s, size_t size) {
	if (size > UINT32_MAX)
		luaL_error(w->L, "serialize can't pack a string of 4 GiB or more");
	reserve(w, size + 5);
	if (size < COOKIE_LIMIT) {
		put_tag(w, TYPE_SHORT_STRING, (int)size);
	} else if (size <= UINT16_MAX) {
		put_tag(w, TYPE_LONG_STRING, 2);
		put(w, &(uint16_t){(uint16_t)size}, 2);
	} else {
		put_tag(w, TYPE_LONG_STRING, 4);
		put(w, &(uint32_t){(uint32_t)size}, 4);
	}
	put(w, s, size);
}

static const char array_metatable;

void reef_push_array_metatable(lua_State *L) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &array_metatable) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_createtable(L, 0, 1);
		lua_pushliteral(L, "bson.array");
		lua_setfield(L, -2, "__name");
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &array_metatable);
	}
}

static void write_value(struct writer *w, int index, int depth);

static void write_by_iterator(struct writer *w, int index, int depth) {
	lua_State *L = w->L;
	put_tag(w, TYPE_TABLE, 0);
	lua_pushvalue(L, index);
	lua_call(L, 1, 3);
	for (;;) {
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_call(L, 2, 2);
		lua_pushvalue(L, -2);
		lua_copy(L, -1, -4);
		lua_pop(L, 1);
		if (lua_isnil(L, -2))
			break;
		int top = lua_gettop(L);
		write_value(w, top - 1, depth);
		write_value(w, top, depth);
		lua_pop(L, 2);
	}
	lua_pop(L, 5);
}

/* Pushes __pairs if the table has it. `*is_array`: it has the metatable of arrays. */
static bool has_iterator(struct writer *w, int index, bool *is_array) {
	lua_State *L = w->L;
	if (!lua_getmetatable(L, index))
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &array_metatable);
	*is_array = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	if (*is_array)
		return false;
	/* User code may run now (the iterator, a finalizer) and may pack too: leave it the scratch buffer. */
	if (!w->box)
		grow(w, 1);
	return luaL_getmetafield(L, index, "__pairs") != LUA_TNIL;
}

static void write_table(struct writer *w, int index, int depth) {
	lua_State *L = w->L;
	if (!lua_checkstack(L, LUA_MINSTACK))
		luaL_error(L, "serialize: no stack left at depth %d", depth);
	bool is_array = false;
	if (has_iterator(w, index, &is_array)) {
		reserve(w, 1);
		write_by_iterator(w, index, depth);
	} else {
		lua_Unsigned length = lua_rawlen(L, index);
		reserve(w, 1);
		if (length < COOKIE_LIMIT - 1) {
			put_tag(w, TYPE_TABLE, (int)length);
		} else {
			put_tag(w, TYPE_TABLE, COOKIE_LIMIT - 1);
			write_integer(w, (lua_Integer)length);
		}
		int top = lua_gettop(L) + 1;
		for (lua_Unsigned i = 1; i <= length; i++) {
			lua_rawgeti(L, index, (lua_Integer)i);
			write_value(w, top, depth);
			lua_pop(L, 1);
		}
		lua_pushnil(L);
		while (lua_next(L, index)) {
			lua_Integer key;
			if (lua_isinteger(L, top) && (key = lua_tointeger(L, top)) > 0 && (lua_Unsigned)key <= length) {
				lua_pop(L, 1);
				continue;
			}
			write_value(w, top, depth);
			write_value(w, top + 1, depth);
			is_array = false;
			lua_pop(L, 1);
		}
		is_array = is_array && length == 0;
	}
	reserve(w, 1);
	put_tag(w, TYPE_NIL, is_array ? END_OF_EMPTY_ARRAY : 0);
}

static void write_value(struct writer *w, int index, int depth) {
	lua_State *L = w->L;
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		reserve(w, 1);
		put_tag(w, TYPE_NIL, 0);
		break;
	case LUA_TBOOLEAN:
		reserve(w, 1);
		put_tag(w, TYPE_BOOLEAN, lua_toboolean(L, index));
		break;
	case LUA_TNUMBER:
		if (lua_isinteger(L, index)) {
			write_integer(w, lua_tointeger(L, index));
		} else {
			reserve(w, 9);
			put_tag(w, TYPE_NUMBER, NUMBER_DOUBLE);
			put(w, &(double){lua_tonumber(L, index)}, 8);
		}
		break;
	case LUA_TSTRING: {
		size_t size;
		const char *s = lua_tolstring(L, index, &size);
		write_string(w, s, size);
		break;
	}
	case LUA_TLIGHTUSERDATA:
		reserve(w, 9);
		put_tag(w, TYPE_POINTER, 0);
		put(w, &(void *){lua_touserdata(L, index)}, 8);
		break;
	case LUA_TTABLE:
		/* One level more is fine for a table that has nothing in it. */
		if (depth >= MAX_DEPTH) {
			lua_pushnil(L);
			if (depth > MAX_DEPTH || lua_next(L, index))
				luaL_error(L, "serialize can't pack too depth table");
		}
		write_table(w, index, depth + 1);
		break;
	default:
		luaL_error(L, "Unsupport type %s to serialize", luaL_typename(L, index));
	}
}

/* The stack has one value more afterwards: the box, or nil. */
static void write_all(struct writer *w, lua_State *L, int first) {
	int top = lua_gettop(L);
	char *scratch = reef_slice_scratch();
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_pushnil(L);
	*w = (struct writer){
			.L = L, .begin = scratch, .at = scratch, .end = scratch + REEF_SLICE_SCRATCH_SIZE, .slot = top + 1};
	for (int i = first; i <= top; i++)
		write_value(w, i, 0);
}

static void no_memory(lua_State *L, size_t size) {
	luaL_error(L, "not enough memory for a message of %I bytes", (LUAI_UACINT)size);
}

struct reef_message *reef_pack_message(lua_State *L, int first) {
	if (first > lua_gettop(L))
		return reef_message_wrap(NULL, 0);
	struct writer w;
	write_all(&w, L, first);
	size_t size = (size_t)(w.at - w.begin);
	struct reef_message *m = reef_message_try_new(size);
	if (m == NULL)
		no_memory(L, size);
	memcpy(m->data, w.begin, size);
	lua_pop(L, 1);
	return m;
}

void *reef_pack(lua_State *L, int first, size_t *size) {
	*size = 0;
	if (first > lua_gettop(L))
		return NULL;
	struct writer w;
	write_all(&w, L, first);
	*size = (size_t)(w.at - w.begin);
	void *data = reef_try_malloc(*size);
	if (data == NULL)
		no_memory(L, *size);
	memcpy(data, w.begin, *size);
	lua_pop(L, 1);
	return data;
}

void reef_pack_string(lua_State *L, int first) {
	struct writer w;
	write_all(&w, L, first);
	lua_pushlstring(L, w.begin, (size_t)(w.at - w.begin));
	lua_remove(L, -2);
}

/* ---- reading ---- */

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

static bool read_table(struct reader *r, int cookie, int depth) {
	lua_State *L = r->L;
	lua_Integer length;
	if (depth > MAX_DEPTH + 1 || !lua_checkstack(L, 2 * GATHERED_PAIRS + LUA_MINSTACK))
		return BAD(r);
	if (!read_array_length(r, cookie, &length))
		return false;
	int base = lua_gettop(L) + 1;
	bool made = length > 0;
	if (made) {
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
	}
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
				reef_push_array_metatable(L);
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
	case TYPE_NUMBER: {
		if (cookie == NUMBER_DOUBLE) {
			double n;
			if (!has(r, 8))
				return BAD(r);
			get(r, &n, 8);
			lua_pushnumber(L, n);
			return true;
		}
		lua_Integer n;
		if (!read_integer(r, cookie, &n))
			return false;
		lua_pushinteger(L, n);
		return true;
	}
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
	case TYPE_LONG_STRING: {
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
