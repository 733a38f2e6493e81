/* Lua values to bytes; see pack_private.h for the format.
 *
 * Writing goes into the worker's scratch buffer, and from there in one piece to where it is wanted. When that is too
 * small, or user code has to run in between (__pairs, which may pack as well), the bytes move into a block that a userdata
 * on the Lua stack owns, so that an error frees it; that block becomes the message as it is. */
#include "pack.h"
#include "core/slice.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/message.h"
#include "pack_private.h"

#define BOX "reef.pack.box"
#define WORTH_TAKING 4096 /* bytes; less is copied, since a message of its own has them beside it */

struct writer {
	lua_State *L;
	char *at, *end;
	char *begin;
	int box;  /* stack index of the userdata that owns the bytes, 0: they are in the scratch buffer */
	int slot; /* stack index kept for the box */
};

static void no_memory(lua_State *L, size_t size) {
	luaL_error(L, "not enough memory for a message of %I bytes", (LUAI_UACINT)size);
}

static int box_collect(lua_State *L) {
	char **block = luaL_checkudata(L, 1, BOX);
	reef_free(*block);
	*block = NULL;
	return 0;
}

static char **push_box(lua_State *L) {
	char **block = lua_newuserdatauv(L, sizeof *block, 0);
	*block = NULL;
	if (luaL_newmetatable(L, BOX)) {
		lua_pushcfunction(L, box_collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return block;
}

static void writer_grow(struct writer *w, size_t need) {
	size_t used = (size_t)(w->at - w->begin);
	size_t capacity = 2 * (used + need) + 256;
	char **block = w->box ? lua_touserdata(w->L, w->box) : push_box(w->L);
	char *begin = reef_try_realloc(*block, capacity);
	if (begin == NULL)
		no_memory(w->L, capacity);
	*block = begin;
	if (!w->box) {
		memcpy(begin, w->begin, used);
		lua_replace(w->L, w->slot);
		w->box = w->slot;
	}
	w->begin = begin;
	w->at = begin + used;
	w->end = begin + capacity;
}

static inline void reserve(struct writer *w, size_t size) {
	if ((size_t)(w->end - w->at) < size)
		writer_grow(w, size);
}

static inline void writer_put(struct writer *w, const void *data, size_t size) {
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
		writer_put(w, &(int64_t){v}, 8);
	} else if (v < 0 || v >= 0x10000) {
		put_tag(w, TYPE_NUMBER, NUMBER_I32);
		writer_put(w, &(int32_t){(int32_t)v}, 4);
	} else if (v >= 0x100) {
		put_tag(w, TYPE_NUMBER, NUMBER_U16);
		writer_put(w, &(uint16_t){(uint16_t)v}, 2);
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
		writer_put(w, &(uint16_t){(uint16_t)size}, 2);
	} else {
		put_tag(w, TYPE_LONG_STRING, 4);
		writer_put(w, &(uint32_t){(uint32_t)size}, 4);
	}
	writer_put(w, s, size);
}

static const char array_metatable;

void reef_pack_array_metatable(lua_State *L) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &array_metatable) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_createtable(L, 0, 1);
		lua_pushliteral(L, "bson.array");
		lua_setfield(L, -2, "__name");
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &array_metatable);
	}
}

static void writer_write_value(struct writer *w, int index, int depth);

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
		writer_write_value(w, top - 1, depth);
		writer_write_value(w, top, depth);
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
		writer_grow(w, 1);
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
			writer_write_value(w, top, depth);
			lua_pop(L, 1);
		}
		lua_pushnil(L);
		while (lua_next(L, index)) {
			lua_Integer key;
			if (lua_isinteger(L, top) && (key = lua_tointeger(L, top)) > 0 && (lua_Unsigned)key <= length) {
				lua_pop(L, 1);
				continue;
			}
			writer_write_value(w, top, depth);
			writer_write_value(w, top + 1, depth);
			is_array = false;
			lua_pop(L, 1);
		}
		is_array = is_array && length == 0;
	}
	reserve(w, 1);
	put_tag(w, TYPE_NIL, is_array ? END_OF_EMPTY_ARRAY : 0);
}

static void writer_write_value(struct writer *w, int index, int depth) {
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
			writer_put(w, &(double){lua_tonumber(L, index)}, 8);
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
		writer_put(w, &(void *){lua_touserdata(L, index)}, 8);
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
static void writer_write_all(struct writer *w, lua_State *L, int first) {
	int top = lua_gettop(L);
	char *scratch = reef_slice_scratch();
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_pushnil(L);
	*w = (struct writer){
			.L = L, .begin = scratch, .at = scratch, .end = scratch + REEF_SLICE_SCRATCH_SIZE, .slot = top + 1};
	for (int i = first; i <= top; i++)
		writer_write_value(w, i, 0);
}

/* Takes the bytes out of the box, as a block of that size. */
static void *writer_take(struct writer *w, size_t size) {
	char **block = lua_touserdata(w->L, w->box);
	char *fitting = reef_try_realloc(*block, size);
	void *data = fitting ? fitting : *block;
	*block = NULL;
	return data;
}

struct reef_message *reef_pack_message(lua_State *L, int first) {
	if (first > lua_gettop(L))
		return reef_message_wrap(NULL, 0);
	struct writer w;
	writer_write_all(&w, L, first);
	size_t size = (size_t)(w.at - w.begin);
	struct reef_message *m;
	if (w.box && size >= WORTH_TAKING) {
		m = reef_message_wrap(writer_take(&w, size), size);
	} else {
		m = reef_message_try_new(size);
		if (m == NULL)
			no_memory(L, size);
		memcpy(m->data, w.begin, size);
	}
	lua_pop(L, 1);
	return m;
}

void *reef_pack(lua_State *L, int first, size_t *size) {
	*size = 0;
	if (first > lua_gettop(L))
		return NULL;
	struct writer w;
	writer_write_all(&w, L, first);
	*size = (size_t)(w.at - w.begin);
	void *data;
	if (w.box && *size >= WORTH_TAKING) {
		data = writer_take(&w, *size);
	} else {
		data = reef_try_malloc(*size);
		if (data == NULL)
			no_memory(L, *size);
		memcpy(data, w.begin, *size);
	}
	lua_pop(L, 1);
	return data;
}

void reef_pack_string(lua_State *L, int first) {
	struct writer w;
	writer_write_all(&w, L, first);
	lua_pushlstring(L, w.begin, (size_t)(w.at - w.begin));
	lua_remove(L, -2);
}
