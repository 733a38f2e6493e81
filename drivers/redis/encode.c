/* See encode.h. */
#include "encode.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

/* Enough for any number as Lua prints it, with its bulk header. */
#define NUMBER_ROOM 64

static char *put_number(char *p, unsigned long long v) {
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

static char *put_crlf(char *p) {
	p[0] = '\r';
	p[1] = '\n';
	return p + 2;
}

char *reef_redis_encode_count(char *p, size_t count) {
	*p++ = '*';
	return put_crlf(put_number(p, count));
}

char *reef_redis_encode_bulk(char *p, const char *data, size_t size) {
	*p++ = '$';
	p = put_crlf(put_number(p, size));
	memcpy(p, data, size);
	return put_crlf(p + size);
}

static char *put_integer(char *p, long long v) {
	char text[24], *end = text;
	if (v < 0)
		*end++ = '-';
	end = put_number(end, v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v);
	return reef_redis_encode_bulk(p, text, (size_t)(end - text));
}

static char *put_value(lua_State *L, int index, char *p) {
	switch (lua_type(L, index)) {
	case LUA_TSTRING: {
		size_t size;
		const char *data = lua_tolstring(L, index, &size);
		return reef_redis_encode_bulk(p, data, size);
	}
	case LUA_TNUMBER: {
		if (lua_isinteger(L, index))
			return put_integer(p, lua_tointeger(L, index));
		char text[NUMBER_ROOM];
		int n = lua_number2str(text, sizeof(text), lua_tonumber(L, index));
		/* As tostring does, so that a float stays one for whoever reads the value back. */
		if (text[strspn(text, "-0123456789")] == '\0') {
			text[n++] = '.';
			text[n++] = '0';
		}
		return reef_redis_encode_bulk(p, text, (size_t)n);
	}
	default:
		return lua_toboolean(L, index) ? reef_redis_encode_bulk(p, "true", 4) : reef_redis_encode_bulk(p, "false", 5);
	}
}

/* Room for the value at `index`; 0: it has to become a string first; raises for nil. */
static size_t measure(lua_State *L, int index, int place, const char *command) {
	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		return lua_rawlen(L, index) + REEF_REDIS_BULK_ROOM;
	case LUA_TNUMBER:
	case LUA_TBOOLEAN:
		return NUMBER_ROOM + REEF_REDIS_BULK_ROOM;
	case LUA_TNIL:
		luaL_error(L, "redis %s: argument %d is nil (nothing was sent)", command, place);
		return 0;
	default:
		return 0;
	}
}

void reef_redis_check_stack(lua_State *L, struct reef_redis_args *args, int first, int last, const char *command) {
	*args = (struct reef_redis_args){.first = first, .count = last >= first ? last - first + 1 : 0};
	for (int i = first; i <= last; i++) {
		size_t room = measure(L, i, i - first + 1, command);
		if (room == 0) {
			luaL_tolstring(L, i, NULL);
			lua_replace(L, i);
			room = measure(L, i, i - first + 1, command);
		}
		args->room += room;
	}
}

static int list_length(lua_State *L, int table) {
	lua_getfield(L, table, "n");
	lua_Integer n = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : luaL_len(L, table);
	lua_pop(L, 1);
	if (n < 0 || n >= INT_MAX)
		luaL_error(L, "redis: a command cannot have %I arguments", (LUAI_UACINT)n);
	return (int)n;
}

static void copy_as_text(lua_State *L, int table, int first, int last) {
	lua_createtable(L, last, 0);
	for (int i = first; i <= last; i++) {
		lua_geti(L, table, i);
		int type = lua_type(L, -1);
		if (type != LUA_TNIL && type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
			luaL_tolstring(L, -1, NULL);
			lua_remove(L, -2);
		}
		lua_rawseti(L, -2, i);
	}
	lua_replace(L, table);
}

void reef_redis_check_table(lua_State *L, struct reef_redis_args *args, int table, int first, const char *command) {
	int last = list_length(L, table);
	bool copied = lua_getmetatable(L, table);
	if (copied) {
		lua_pop(L, 1);
		copy_as_text(L, table, first, last);
	}
	*args = (struct reef_redis_args){.table = table, .first = first, .count = last >= first ? last - first + 1 : 0};
	for (int i = first; i <= last; i++) {
		lua_rawgeti(L, table, i);
		size_t room = measure(L, -1, i - first + 1, command);
		lua_pop(L, 1);
		if (room == 0 && !copied) {
			copied = true;
			copy_as_text(L, table, first, last);
			args->room = 0;
			i = first - 1;
		}
		args->room += room;
	}
}

char *reef_redis_encode_args(lua_State *L, const struct reef_redis_args *args, char *p) {
	for (int i = args->first; i < args->first + args->count; i++) {
		if (args->table == 0) {
			p = put_value(L, i, p);
		} else {
			lua_rawgeti(L, args->table, i);
			p = put_value(L, -1, p);
			lua_pop(L, 1);
		}
	}
	return p;
}
