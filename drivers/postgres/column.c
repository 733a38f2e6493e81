/* See column.h. The numbers of types are those of the catalogue pg_type, which never change. */
#include "column.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "drivers/sql/value.h"

#define MOST_PARAMETERS 65535 /* of the protocol */

enum {
	TYPE_BOOL = 16,
	TYPE_BYTEA = 17,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
};

static void postgres_push_float(lua_State *L, const char *text, size_t size) {
	if (strcmp(text, "NaN") == 0)
		lua_pushnumber(L, (lua_Number)NAN);
	else if (strcmp(text, "Infinity") == 0)
		lua_pushnumber(L, (lua_Number)HUGE_VAL);
	else if (strcmp(text, "-Infinity") == 0)
		lua_pushnumber(L, -(lua_Number)HUGE_VAL);
	else if (!reef_sql_push_number(L, text, size))
		lua_pushlstring(L, text, size);
	else if (lua_isinteger(L, -1)) {
		lua_Number n = lua_tonumber(L, -1);
		lua_pop(L, 1);
		lua_pushnumber(L, *text == '-' && n == 0 ? -0.0 : n);
	}
}

static int postgres_digit(char c) {
	return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static void postgres_push_bytes(lua_State *L, const char *text, size_t size) {
	if (size < 2 || text[0] != '\\' || text[1] != 'x') {
		size_t n;
		unsigned char *bytes = PQunescapeBytea((const unsigned char *)text, &n);
		lua_pushlstring(L, bytes ? (const char *)bytes : "", bytes ? n : 0);
		PQfreemem(bytes);
		return;
	}
	luaL_Buffer buffer;
	size_t n = (size - 2) / 2;
	char *out = luaL_buffinitsize(L, &buffer, n);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(postgres_digit(text[2 + 2 * i]) << 4 | postgres_digit(text[3 + 2 * i]));
	luaL_pushresultsize(&buffer, n);
}

void reef_postgres_push(lua_State *L, Oid type, const char *text, size_t size) {
	switch (type) {
	case TYPE_BOOL:
		lua_pushboolean(L, text[0] == 't');
		break;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_OID:
		if (!reef_sql_push_short_integer(L, text, size) && !reef_sql_push_number(L, text, size))
			lua_pushlstring(L, text, size);
		break;
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
		postgres_push_float(L, text, size);
		break;
	case TYPE_BYTEA:
		postgres_push_bytes(L, text, size);
		break;
	default:
		lua_pushlstring(L, text, size);
	}
}

/* The text of a number, written into `text`; where it begins. */
static const char *postgres_number(lua_State *L, int index, char text[REEF_POSTGRES_NUMBER]) {
	if (!lua_isinteger(L, index)) {
		lua_Number n = lua_tonumber(L, index);
		if (isnan(n) || isinf(n))
			return isnan(n) ? "NaN" : n > 0 ? "Infinity" : "-Infinity";
		snprintf(text, REEF_POSTGRES_NUMBER, "%.17g", (double)n);
		return text;
	}
	lua_Integer n = lua_tointeger(L, index);
	lua_Unsigned left = n < 0 ? 0u - (lua_Unsigned)n : (lua_Unsigned)n;
	char *at = text + REEF_POSTGRES_NUMBER - 1;
	*at = '\0';
	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*--at = '-';
	return at;
}

static void parameters_reach(lua_State *L, struct reef_postgres_parameters *p, int count) {
	if (p->memory && count <= p->room)
		return;
	size_t room = (size_t)count + 8;
	char *memory =
			reef_try_realloc(p->memory, room * (sizeof *p->values + 2 * sizeof *p->sizes + REEF_POSTGRES_NUMBER));
	if (memory == NULL)
		luaL_error(L, "postgres: out of memory for %d parameters", count);
	p->memory = memory;
	p->room = (int)room;
	p->values = (const char **)(void *)memory;
	p->sizes = (int *)(void *)(memory + room * sizeof *p->values);
	p->formats = p->sizes + room;
	p->numbers = (char(*)[REEF_POSTGRES_NUMBER])(void *)(p->formats + room);
}

void reef_postgres_parameters_set(lua_State *L, struct reef_postgres_parameters *p, int first, int count) {
	if (count > MOST_PARAMETERS)
		luaL_error(L, "postgres: a statement has at most %d parameters, not %d", MOST_PARAMETERS, count);
	parameters_reach(L, p, count);
	for (int i = 0; i < count; i++) {
		int index = first + i;
		size_t size = 0;
		p->formats[i] = 0;
		p->values[i] = NULL;
		switch (lua_type(L, index)) {
		case LUA_TNIL:
			break;
		case LUA_TBOOLEAN:
			p->values[i] = lua_toboolean(L, index) ? "t" : "f";
			break;
		case LUA_TNUMBER:
			p->values[i] = postgres_number(L, index, p->numbers[i]);
			break;
		case LUA_TSTRING:
			p->values[i] = lua_tolstring(L, index, &size);
			if (strlen(p->values[i]) != size)
				luaL_error(L,
						   "postgres: parameter %d has a zero byte: a text cannot; for bytea there is postgres.bytes",
						   i + 1);
			break;
		case LUA_TTABLE:
			/* What postgres.bytes has made. */
			if (lua_rawgeti(L, index, 1) == LUA_TSTRING) {
				p->values[i] = lua_tolstring(L, -1, &size);
				p->formats[i] = 1;
				lua_pop(L, 1);
				break;
			}
			/* FALLTHROUGH */
		default:
			luaL_error(L, "postgres: parameter %d is a %s", i + 1, luaL_typename(L, index));
		}
		p->sizes[i] = (int)size;
	}
}

void reef_postgres_parameters_fini(struct reef_postgres_parameters *p) {
	reef_free(p->memory);
	*p = (struct reef_postgres_parameters){.memory = NULL};
}
