/* Encoding: the header of a struct is written with all the room that it may need, the data behind it, and what is left
 * over between them is closed in the end. */
#include "encode.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "core/alloc.h"

#define BUFFER "reef.sproto.buffer"
#define MOST_BYTES ((size_t)16 * 1024 * 1024) /* of a message */
#define MOST_INLINE 32766

void reef_sproto_buffer_clear(struct reef_sproto_buffer *buffer) {
	reef_free(buffer->bytes);
	*buffer = (struct reef_sproto_buffer){0};
}

static int buffer_gc(lua_State *L) {
	reef_sproto_buffer_clear(luaL_checkudata(L, 1, BUFFER));
	return 0;
}

struct reef_sproto_buffer *reef_sproto_buffer_push(lua_State *L) {
	struct reef_sproto_buffer *buffer = lua_newuserdatauv(L, sizeof(*buffer), 0);
	*buffer = (struct reef_sproto_buffer){0};
	if (luaL_newmetatable(L, BUFFER)) {
		lua_pushcfunction(L, buffer_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return buffer;
}

static void enlarge(lua_State *L, struct reef_sproto_buffer *buffer, size_t n) {
	if (n > MOST_BYTES || buffer->size + n > MOST_BYTES)
		luaL_error(L, "sproto: a message takes more than %d bytes", (int)MOST_BYTES);
	size_t capacity = buffer->capacity == 0 ? 512 : buffer->capacity * 2;
	while (capacity < buffer->size + n)
		capacity *= 2;
	char *bytes = reef_try_realloc(buffer->bytes, capacity);
	if (bytes == NULL)
		luaL_error(L, "not enough memory");
	buffer->bytes = bytes;
	buffer->capacity = capacity;
}

/* Room for n more bytes behind `size`; may raise. Their address. */
static inline char *reserve(lua_State *L, struct reef_sproto_buffer *buffer, size_t n) {
	if (n > buffer->capacity - buffer->size)
		enlarge(L, buffer, n);
	return buffer->bytes + buffer->size;
}

static void put16(char *to, uint32_t v) {
	to[0] = (char)v;
	to[1] = (char)(v >> 8);
}

static void put32(char *to, uint32_t v) {
	put16(to, v);
	put16(to + 2, v >> 16);
}

static void put64(char *to, uint64_t v) {
	put32(to, (uint32_t)v);
	put32(to + 4, (uint32_t)(v >> 32));
}

struct encoder {
	lua_State *L;
	const struct reef_sproto *schema;
	struct reef_sproto_buffer *buffer;
	int names;
	int depth;
};

static int wrong_type(struct encoder *e, const struct reef_sproto_type *type, const struct reef_sproto_field *field,
					  const char *wanted) {
	return luaL_error(e->L, "sproto: %s.%s is a %s, not %s", type->name, field->name, luaL_typename(e->L, -1), wanted);
}

static void append(struct encoder *e, const void *bytes, size_t n) {
	char *to = reserve(e->L, e->buffer, n);
	if (n > 0)
		memcpy(to, bytes, n);
	e->buffer->size += n;
}

/* The value on top of the stack, whose Lua type is `is`, as the schema's integer. */
static int64_t integer_of(struct encoder *e, const struct reef_sproto_type *type, const struct reef_sproto_field *field,
						  int is) {
	lua_State *L = e->L;
	if (is != LUA_TNUMBER)
		wrong_type(e, type, field, "a number");
	int exact = 1;
	lua_Integer v = 0;
	if (field->scale > 0) {
		lua_Number scaled = floor(lua_tonumber(L, -1) * field->scale + 0.5);
		exact = lua_numbertointeger(scaled, &v);
	} else {
		v = lua_tointegerx(L, -1, &exact);
	}
	if (!exact)
		luaL_error(L, "sproto: %s.%s is %s, which is no integer of 64 bits", type->name, field->name,
				   luaL_tolstring(L, -1, NULL));
	return v;
}

static bool fits_in_4(int64_t v) {
	return v >= INT32_MIN && v <= INT32_MAX;
}

static void append_integer(struct encoder *e, int64_t v, bool wide) {
	char *to = reserve(e->L, e->buffer, 8);
	if (wide)
		put64(to, (uint64_t)v);
	else
		put32(to, (uint32_t)(uint64_t)v);
	e->buffer->size += wide ? 8 : 4;
}

/* The same with its size in front. */
static void append_sized_integer(struct encoder *e, int64_t v, bool wide) {
	char *to = reserve(e->L, e->buffer, 12);
	put32(to, wide ? 8 : 4);
	if (wide)
		put64(to + 4, (uint64_t)v);
	else
		put32(to + 4, (uint32_t)(uint64_t)v);
	e->buffer->size += wide ? 12 : 8;
}

static int64_t double_bits(struct encoder *e, const struct reef_sproto_type *type,
						   const struct reef_sproto_field *field, int is) {
	if (is != LUA_TNUMBER)
		wrong_type(e, type, field, "a number");
	lua_Number n = lua_tonumber(e->L, -1);
	int64_t bits;
	memcpy(&bits, &n, sizeof(bits));
	return bits;
}

static void append_sized_string(struct encoder *e, const struct reef_sproto_type *type,
								const struct reef_sproto_field *field, int is) {
	if (is != LUA_TSTRING)
		wrong_type(e, type, field, "a string");
	size_t n;
	const char *s = lua_tolstring(e->L, -1, &n);
	char *to = reserve(e->L, e->buffer, 4 + n);
	put32(to, (uint32_t)n);
	if (n > 0)
		memcpy(to + 4, s, n);
	e->buffer->size += 4 + n;
}

static void encode_struct(struct encoder *e, const struct reef_sproto_type *type);

/* Leaves room for a size. */
static size_t begin_sized(struct encoder *e) {
	size_t at = e->buffer->size;
	reserve(e->L, e->buffer, 4);
	e->buffer->size += 4;
	return at;
}

static void end_sized(struct encoder *e, size_t at) {
	put32(e->buffer->bytes + at, (uint32_t)(e->buffer->size - at - 4));
}

static void append_struct(struct encoder *e, const struct reef_sproto_type *type,
						  const struct reef_sproto_field *field) {
	if (lua_type(e->L, -1) != LUA_TTABLE)
		wrong_type(e, type, field, "a table");
	encode_struct(e, &e->schema->types[field->type]);
}

/* ---- arrays: the table is on top of the stack ---- */

/* All have one width; that of the first wide one is found on the way, and what was written before is written again. */
static void append_integers(struct encoder *e, const struct reef_sproto_type *type,
							const struct reef_sproto_field *field) {
	size_t start = e->buffer->size;
	bool wide = false;
	for (lua_Integer i = 1;; i++) {
		int is = lua_geti(e->L, -1, i);
		if (is == LUA_TNIL)
			break;
		int64_t v = integer_of(e, type, field, is);
		lua_pop(e->L, 1);
		if (i == 1) {
			reserve(e->L, e->buffer, 1);
			e->buffer->size++;
		}
		if (!wide && !fits_in_4(v)) {
			e->buffer->size = start;
			wide = true;
			i = 0;
			continue;
		}
		append_integer(e, v, wide);
	}
	lua_pop(e->L, 1);
	if (e->buffer->size > start)
		e->buffer->bytes[start] = wide ? 8 : 4;
}

static void append_doubles(struct encoder *e, const struct reef_sproto_type *type,
						   const struct reef_sproto_field *field) {
	int is;
	for (lua_Integer i = 1; (is = lua_geti(e->L, -1, i)) != LUA_TNIL; i++) {
		if (i == 1)
			append(e, "\10", 1);
		append_integer(e, double_bits(e, type, field, is), true);
		lua_pop(e->L, 1);
	}
	lua_pop(e->L, 1);
}

static void append_booleans(struct encoder *e, const struct reef_sproto_type *type,
							const struct reef_sproto_field *field) {
	for (lua_Integer i = 1; lua_geti(e->L, -1, i) != LUA_TNIL; i++) {
		if (!lua_isboolean(e->L, -1))
			wrong_type(e, type, field, "a boolean");
		append(e, lua_toboolean(e->L, -1) ? "\1" : "\0", 1);
		lua_pop(e->L, 1);
	}
	lua_pop(e->L, 1);
}

static void append_sized(struct encoder *e, const struct reef_sproto_type *type,
						 const struct reef_sproto_field *field) {
	int is;
	for (lua_Integer i = 1; (is = lua_geti(e->L, -1, i)) != LUA_TNIL; i++) {
		if (field->kind == REEF_SPROTO_STRUCT) {
			size_t at = begin_sized(e);
			append_struct(e, type, field);
			end_sized(e, at);
		} else {
			append_sized_string(e, type, field, is);
		}
		lua_pop(e->L, 1);
	}
	lua_pop(e->L, 1);
}

/* Each entry of a plain map is a struct of two fields. */
static void append_entry(struct encoder *e, const struct reef_sproto_field *field) {
	const struct reef_sproto_type *of = &e->schema->types[field->type];
	lua_State *L = e->L;
	lua_createtable(L, 0, 2);
	for (int i = 0; i < 2; i++) {
		lua_rawgeti(L, e->names, of->fields[i].index);
		lua_pushvalue(L, i == 0 ? -4 : -3);
		lua_rawset(L, -3);
	}
	encode_struct(e, of);
	lua_pop(L, 1);
}

static void append_map(struct encoder *e, const struct reef_sproto_type *type, const struct reef_sproto_field *field) {
	lua_State *L = e->L;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		size_t at = begin_sized(e);
		if (field->map)
			append_entry(e, field);
		else
			append_struct(e, type, field);
		end_sized(e, at);
	}
}

static void append_array(struct encoder *e, const struct reef_sproto_type *type,
						 const struct reef_sproto_field *field) {
	if (!lua_istable(e->L, -1))
		wrong_type(e, type, field, "a table");
	if (field->map || field->key >= 0) {
		append_map(e, type, field);
		return;
	}
	switch (field->kind) {
	case REEF_SPROTO_INTEGER:
		append_integers(e, type, field);
		return;
	case REEF_SPROTO_DOUBLE:
		append_doubles(e, type, field);
		return;
	case REEF_SPROTO_BOOLEAN:
		append_booleans(e, type, field);
		return;
	default:
		append_sized(e, type, field);
	}
}

/* ---- structs ---- */

/* Writes the value on top of the stack, whose Lua type is `is`, into the data part, or returns it, to be written into the header. */
static uint32_t encode_field(struct encoder *e, const struct reef_sproto_type *type,
							 const struct reef_sproto_field *field, int is) {
	int64_t v;
	size_t at;
	switch (field->array ? REEF_SPROTO_STRUCT : (enum reef_sproto_kind)field->kind) {
	case REEF_SPROTO_BOOLEAN:
		if (is != LUA_TBOOLEAN)
			wrong_type(e, type, field, "a boolean");
		return (uint32_t)(lua_toboolean(e->L, -1) + 1) * 2;
	case REEF_SPROTO_INTEGER:
		v = integer_of(e, type, field, is);
		if (v >= 0 && v <= MOST_INLINE)
			return (uint32_t)(v + 1) * 2;
		append_sized_integer(e, v, !fits_in_4(v));
		return 0;
	case REEF_SPROTO_DOUBLE:
		append_sized_integer(e, double_bits(e, type, field, is), true);
		return 0;
	case REEF_SPROTO_STRING:
		append_sized_string(e, type, field, is);
		return 0;
	case REEF_SPROTO_STRUCT:
		break;
	}
	at = begin_sized(e);
	if (field->array)
		append_array(e, type, field);
	else
		append_struct(e, type, field);
	end_sized(e, at);
	return 0;
}

/* The table is on top of the stack, and stays there. */
static void encode_struct(struct encoder *e, const struct reef_sproto_type *type) {
	lua_State *L = e->L;
	if (++e->depth > REEF_SPROTO_MAX_DEPTH)
		luaL_error(L, "sproto: %s: structs lie more than %d deep in each other", type->name, REEF_SPROTO_MAX_DEPTH);
	/* The values stay on the stack until all are done: to take each off would cost as much as to write it. */
	luaL_checkstack(L, (int)type->count + 8, "sproto");
	int table = lua_gettop(L);
	size_t header = e->buffer->size, room = 2 + 2 * (size_t)type->most_words;
	reserve(L, e->buffer, room);
	e->buffer->size += room;
	uint32_t words = 0;
	int last = -1;
	for (uint32_t i = 0; i < type->count; i++) {
		const struct reef_sproto_field *field = &type->fields[i];
		lua_rawgeti(L, e->names, field->index);
		int is = lua_gettable(L, table);
		if (is != LUA_TNIL) {
			uint32_t word = encode_field(e, type, field, is);
			char *at = e->buffer->bytes + header + 2 + 2 * words;
			if (field->tag > last + 1) {
				put16(at, (uint32_t)(field->tag - last - 1) * 2 - 1);
				at += 2;
				words++;
			}
			put16(at, word);
			words++;
			last = field->tag;
		}
	}
	lua_settop(L, table);
	put16(e->buffer->bytes + header, words);
	size_t used = 2 + 2 * (size_t)words, data = e->buffer->size - header - room;
	if (used < room) {
		memmove(e->buffer->bytes + header + used, e->buffer->bytes + header + room, data);
		e->buffer->size -= room - used;
	}
	e->depth--;
}

void reef_sproto_encode(lua_State *L, const struct reef_sproto *schema, int type, int table, int names,
						struct reef_sproto_buffer *buffer) {
	struct encoder e = {.L = L, .schema = schema, .buffer = buffer, .names = names};
	lua_pushvalue(L, table);
	encode_struct(&e, &schema->types[type]);
	lua_pop(L, 1);
}
