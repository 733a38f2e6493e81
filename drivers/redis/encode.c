/* See encode.h. */
#include "encode.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

/* Enough for `$length\r\n` and the end of a bulk string, or for `*count\r\n`. */
#define HEADER_ROOM 28
/* Enough for any number as Lua prints it. */
#define NUMBER_ROOM 64

/* A place for n more bytes. */
static inline char *encode_room(lua_State *L, struct reef_output *output, size_t n) {
	if (output->capacity - output->end < n && !reef_output_grow(output, n))
		luaL_error(L, "redis: not enough memory for a command of %I bytes (nothing was sent)", (LUAI_UACINT)n);
	return output->bytes + output->end;
}

static inline void written(struct reef_output *output, const char *end) {
	output->end = (size_t)(end - output->bytes);
}

static inline char *number(char *p, unsigned long long v) {
	if (v < 10) {
		*p = (char)('0' + v);
		return p + 1;
	}
	if (v < 100) {
		p[0] = (char)('0' + v / 10);
		p[1] = (char)('0' + v % 10);
		return p + 2;
	}
	char digits[24];
	int n = 0;
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

static inline char *encode_line_end(char *p) {
	p[0] = '\r';
	p[1] = '\n';
	return p + 2;
}

void reef_redis_put_count(lua_State *L, struct reef_output *output, size_t count) {
	char *p = encode_room(L, output, HEADER_ROOM);
	*p++ = '*';
	written(output, encode_line_end(number(p, count)));
}

void reef_redis_put_head(lua_State *L, struct reef_output *output, const char *head, size_t size, size_t count) {
	if (count + 1 < 10) {
		char *p = memcpy(encode_room(L, output, size), head, size);
		p[1] = (char)('0' + count + 1);
	} else {
		reef_redis_put_count(L, output, count + 1);
		size -= REEF_REDIS_COUNT;
		memcpy(encode_room(L, output, size), head + REEF_REDIS_COUNT, size);
	}
	output->end += size;
}

void reef_redis_put_bulk(lua_State *L, struct reef_output *output, const char *data, size_t size) {
	char *p = encode_room(L, output, size + HEADER_ROOM);
	*p++ = '$';
	p = encode_line_end(number(p, size));
	memcpy(p, data, size);
	written(output, encode_line_end(p + size));
}

static void put_integer(lua_State *L, struct reef_output *output, long long v) {
	char text[NUMBER_ROOM], *end = text;
	if (v < 0)
		*end++ = '-';
	end = number(end, v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v);
	reef_redis_put_bulk(L, output, text, (size_t)(end - text));
}

/* Is it a number of few digits and at most 6 decimals? 1e6 and `whole` are exact, so the quotient is the very double that is
 * read from the decimals: tostring's 14 digits, which hold `whole`, are read back as `v`. */
static bool is_short(lua_Number v) {
	lua_Number scaled = v * 1e6;
	if (!(scaled > -1e14 && scaled < 1e14))
		return false;
	lua_Number whole = (lua_Number)(long long)(scaled + (scaled < 0 ? -0.5 : 0.5));
	return whole / 1e6 == v;
}

/* The fewest digits that are read back as the same number, from those that tostring writes up to 17; a float stays one
 * for whoever reads the value back. */
static void put_float(lua_State *L, struct reef_output *output, lua_Number v) {
	char text[NUMBER_ROOM];
	int n = lua_number2str(text, sizeof(text), v);
	if (!is_short(v) && v == v) {
		for (int digits = 15; digits <= 17 && strtod(text, NULL) != v; digits++)
			n = snprintf(text, sizeof(text), "%.*g", digits, v);
	}
	if (text[strspn(text, "-0123456789")] == '\0') {
		text[n++] = '.';
		text[n++] = '0';
	}
	reef_redis_put_bulk(L, output, text, (size_t)n);
}

static void put_boolean(lua_State *L, struct reef_output *output, bool v) {
	if (v)
		reef_redis_put_bulk(L, output, "true", 4);
	else
		reef_redis_put_bulk(L, output, "false", 5);
}

/* Writes the value at `index`. False: it is no string, number or boolean. */
static inline bool encode_put_value(lua_State *L, struct reef_output *output, int index) {
	switch (lua_type(L, index)) {
	case LUA_TSTRING: {
		size_t size;
		const char *data = lua_tolstring(L, index, &size);
		reef_redis_put_bulk(L, output, data, size);
		return true;
	}
	case LUA_TNUMBER:
		if (lua_isinteger(L, index))
			put_integer(L, output, lua_tointeger(L, index));
		else
			put_float(L, output, lua_tonumber(L, index));
		return true;
	case LUA_TBOOLEAN:
		put_boolean(L, output, lua_toboolean(L, index));
		return true;
	default:
		return false;
	}
}

/* The same for a value of a list, in its place. */
static inline bool put_listed(lua_State *L, struct reef_output *output, const struct reef_each_pair *v) {
	switch (v->type) {
	case LUA_TSTRING:
		reef_redis_put_bulk(L, output, v->value.string.bytes, v->value.string.size);
		return true;
	case LUA_TNUMBER:
		if (v->is_integer)
			put_integer(L, output, v->value.integer);
		else
			put_float(L, output, v->value.number);
		return true;
	case LUA_TBOOLEAN:
		put_boolean(L, output, v->value.boolean);
		return true;
	default:
		return false;
	}
}

static bool is_text(int type) {
	return type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN;
}

/* Raises unless the value at `index`, which is no text, is a table that says by itself how to be written. */
static void check_table(lua_State *L, int index, const char *command, int place) {
	int type = lua_type(L, index);
	if (type == LUA_TTABLE && luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	luaL_error(L,
			   type == LUA_TNIL ? "redis %s: argument %d is %s (nothing was sent)"
								: "redis %s: argument %d is a %s (nothing was sent)",
			   command, place, luaL_typename(L, index));
}

void reef_redis_make_text(lua_State *L, int first, int last, const char *command) {
	int table = 0;
	for (int i = first; i <= last; i++) {
		if (!is_text(lua_type(L, i))) {
			check_table(L, i, command, i - first + 1);
			table = table ? table : i;
		}
	}
	for (int i = table ? table : last + 1; i <= last; i++) {
		if (lua_type(L, i) == LUA_TTABLE) {
			luaL_tolstring(L, i, NULL);
			lua_replace(L, i);
		}
	}
}

bool reef_redis_put_stack(lua_State *L, struct reef_output *output, int first, int last, const char *command) {
	for (int i = first; i <= last; i++) {
		if (!encode_put_value(L, output, i)) {
			reef_redis_make_text(L, first, last, command);
			return false;
		}
	}
	return true;
}

/* luaL_len, at less cost where there is no metatable. */
static lua_Integer length_of(lua_State *L, int index) {
	if (!lua_getmetatable(L, index))
		return (lua_Integer)lua_rawlen(L, index);
	lua_pop(L, 1);
	return luaL_len(L, index);
}

void reef_redis_list_begin(lua_State *L, struct reef_redis_list *list, int index) {
	list->index = index;
	list->plain = reef_each_begin_list(&list->items, lua_topointer(L, index));
	list->runs = false;
	if (list->plain) {
		list->count = list->items.end;
		return;
	}
	if (lua_getmetatable(L, index)) {
		list->runs = true;
		lua_pop(L, 1);
	}
	lua_getfield(L, index, "n");
	lua_Integer n = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : length_of(L, index);
	lua_pop(L, 1);
	if (n < 0 || n >= INT_MAX)
		luaL_error(L, "redis: a command cannot have %I arguments", (LUAI_UACINT)n);
	list->count = (int)n;
}

static void push_as_text(lua_State *L, int index, int n, const char *command) {
	lua_createtable(L, n, 0);
	for (int i = 1; i <= n; i++) {
		lua_geti(L, index, i);
		if (!is_text(lua_type(L, -1))) {
			check_table(L, -1, command, i);
			luaL_tolstring(L, -1, NULL);
			lua_remove(L, -2);
		}
		lua_rawseti(L, -2, i);
	}
}

bool reef_redis_put_list(lua_State *L, struct reef_output *output, struct reef_redis_list *list, const char *command) {
	struct reef_each_pair value;
	int i = 1;
	if (list->plain) {
		while (reef_each_value(&list->items, &value) && put_listed(L, output, &value))
			i++;
	} else if (list->runs) {
		push_as_text(L, list->index, list->count, command);
		return false;
	}
	for (; i <= list->count; i++) {
		lua_rawgeti(L, list->index, i);
		if (!encode_put_value(L, output, -1)) {
			lua_pop(L, 1);
			push_as_text(L, list->index, list->count, command);
			return false;
		}
		lua_pop(L, 1);
	}
	return true;
}
