/* See column.h. */
#include "column.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

#define SAFE_DIGITS 18 /* decimal digits that are below 2^63 whatever they are */

/* A number without a fraction and not too long, as most are. */
static bool column_push_short(lua_State *L, const char *text, size_t size) {
	size_t i = size > 0 && text[0] == '-';
	if (size == i || size - i > SAFE_DIGITS)
		return false;
	lua_Integer n = 0;
	for (size_t k = i; k < size; k++) {
		unsigned digit = (unsigned char)text[k] - (unsigned)'0';
		if (digit > 9)
			return false;
		n = n * 10 + (lua_Integer)digit;
	}
	lua_pushinteger(L, i ? -n : n);
	return true;
}

static void column_push_number(lua_State *L, const char *text, size_t size, bool exact) {
	if (column_push_short(L, text, size))
		return;
	if (lua_stringtonumber(L, text) != size + 1) {
		lua_pushlstring(L, text, size);
	} else if (exact && !lua_isinteger(L, -1)) {
		lua_pop(L, 1);
		lua_pushlstring(L, text, size);
	}
}

void reef_mysql_push_text(lua_State *L, const MYSQL_FIELD *field, const char *text, size_t size, bool exact) {
	switch (field->type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_YEAR:
	case MYSQL_TYPE_DECIMAL:
	case MYSQL_TYPE_NEWDECIMAL:
		column_push_number(L, text, size, exact);
		break;
	case MYSQL_TYPE_FLOAT:
	case MYSQL_TYPE_DOUBLE:
		column_push_number(L, text, size, false);
		break;
	default:
		lua_pushlstring(L, text, size);
	}
}

/* The fraction of a second as text does it: as many digits as the column has. */
static int column_fraction(char *out, size_t room, const MYSQL_TIME *t, unsigned decimals) {
	if (decimals == 0 || decimals > 6)
		return 0;
	char digits[24];
	snprintf(digits, sizeof digits, "%06lu", t->second_part % 1000000);
	return snprintf(out, room, ".%.*s", (int)decimals, digits);
}

static void column_push_time(lua_State *L, const MYSQL_FIELD *field, const MYSQL_TIME *t) {
	char text[96];
	int n;
	if (field->type == MYSQL_TYPE_DATE || field->type == MYSQL_TYPE_NEWDATE) {
		n = snprintf(text, sizeof text, "%04u-%02u-%02u", t->year, t->month, t->day);
	} else if (field->type == MYSQL_TYPE_TIME) {
		n = snprintf(text, sizeof text, "%s%02u:%02u:%02u", t->neg ? "-" : "", t->day * 24 + t->hour, t->minute,
					 t->second);
		n += column_fraction(text + n, sizeof text - (size_t)n, t, field->decimals);
	} else {
		n = snprintf(text, sizeof text, "%04u-%02u-%02u %02u:%02u:%02u", t->year, t->month, t->day, t->hour, t->minute,
					 t->second);
		n += column_fraction(text + n, sizeof text - (size_t)n, t, field->decimals);
	}
	lua_pushlstring(L, text, (size_t)n);
}

/* The bytes of a column in `scratch`, with a zero behind them; false: null. */
static bool column_bytes(lua_State *L, MYSQL_STMT *stmt, unsigned int column, struct reef_mysql_scratch *scratch,
						 size_t *size) {
	unsigned long length = 0;
	my_bool null = 0;
	for (;;) {
		MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_STRING,
						   .buffer = scratch->bytes,
						   .buffer_length = (unsigned long)scratch->room,
						   .length = &length,
						   .is_null = &null};
		mysql_stmt_fetch_column(stmt, &bind, column, 0);
		if (null || length < scratch->room)
			break;
		size_t room = length + 1 < 1024 ? 1024 : length + 1;
		char *larger = reef_try_realloc(scratch->bytes, room);
		if (larger == NULL)
			luaL_error(L, "mysql: out of memory for a value of %d bytes", (int)length);
		scratch->bytes = larger;
		scratch->room = room;
	}
	*size = length;
	if (!null)
		scratch->bytes[length] = '\0';
	return !null;
}

void reef_mysql_push_column(lua_State *L, MYSQL_STMT *stmt, const MYSQL_FIELD *field, unsigned int column,
							struct reef_mysql_scratch *scratch, bool exact) {
	my_bool null = 0;
	unsigned long length = 0;
	union {
		int64_t integer;
		float single;
		double real;
		MYSQL_TIME time;
	} value;
	memset(&value, 0, sizeof value);
	MYSQL_BIND bind = {.buffer = &value, .is_null = &null, .length = &length, .buffer_length = sizeof value};
	bool is_unsigned = field->flags & UNSIGNED_FLAG;
	switch (field->type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_YEAR:
		bind.buffer_type = MYSQL_TYPE_LONGLONG;
		bind.is_unsigned = is_unsigned;
		break;
	case MYSQL_TYPE_FLOAT:
		bind.buffer_type = MYSQL_TYPE_FLOAT;
		break;
	case MYSQL_TYPE_DOUBLE:
		bind.buffer_type = MYSQL_TYPE_DOUBLE;
		break;
	case MYSQL_TYPE_DATE:
	case MYSQL_TYPE_NEWDATE:
	case MYSQL_TYPE_TIME:
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP:
		bind.buffer_type = field->type == MYSQL_TYPE_NEWDATE ? MYSQL_TYPE_DATE : field->type;
		break;
	default: {
		size_t size;
		if (!column_bytes(L, stmt, column, scratch, &size))
			lua_pushnil(L);
		else
			reef_mysql_push_text(L, field, scratch->bytes, size, exact);
		return;
	}
	}
	mysql_stmt_fetch_column(stmt, &bind, column, 0);
	if (null) {
		lua_pushnil(L);
	} else if (bind.buffer_type == MYSQL_TYPE_LONGLONG) {
		if (is_unsigned && value.integer < 0) {
			char text[24];
			int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value.integer);
			column_push_number(L, text, (size_t)n, exact);
		} else {
			lua_pushinteger(L, value.integer);
		}
	} else if (bind.buffer_type == MYSQL_TYPE_FLOAT) {
		lua_pushnumber(L, (lua_Number)value.single);
	} else if (bind.buffer_type == MYSQL_TYPE_DOUBLE) {
		lua_pushnumber(L, value.real);
	} else {
		column_push_time(L, field, &value.time);
	}
}
