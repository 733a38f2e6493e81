/* See column.h. */
#include "column.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "drivers/sql/value.h"

static void column_push_number(lua_State *L, const char *text, size_t size, bool exact) {
	if (reef_sql_push_short_integer(L, text, size))
		return;
	if (!reef_sql_push_number(L, text, size)) {
		lua_pushlstring(L, text, size);
	} else if (exact && !lua_isinteger(L, -1)) {
		lua_pop(L, 1);
		lua_pushlstring(L, text, size);
	}
}

lua_Integer reef_mysql_push_text(lua_State *L, const MYSQL_FIELD *field, const char *text, size_t size, bool exact) {
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
		return (lua_Integer)size;
	}
	return 0;
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

static enum enum_field_types column_fetched_as(enum enum_field_types type) {
	switch (type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_YEAR:
		return MYSQL_TYPE_LONGLONG;
	case MYSQL_TYPE_FLOAT:
	case MYSQL_TYPE_DOUBLE:
	case MYSQL_TYPE_DATE:
	case MYSQL_TYPE_TIME:
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP:
		return type;
	case MYSQL_TYPE_NEWDATE:
		return MYSQL_TYPE_DATE;
	default:
		return MYSQL_TYPE_STRING;
	}
}

static void columns_reach(lua_State *L, struct reef_mysql_columns *c, unsigned count) {
	if (c->room >= count)
		return;
	MYSQL_BIND *binds = reef_try_realloc(c->binds, count * sizeof *binds);
	if (binds)
		c->binds = binds;
	struct reef_mysql_column *columns = reef_try_realloc(c->columns, count * sizeof *columns);
	if (columns)
		c->columns = columns;
	if (!binds || !columns)
		luaL_error(L, "mysql: out of memory for %d columns", (int)count);
	c->room = count;
}

/* Are they bound to fields of these types already? */
static bool columns_are_bound(const struct reef_mysql_columns *c, const MYSQL_STMT *stmt, unsigned count) {
	if (c->bound != count || !stmt->bind_result_done)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (c->columns[i].type != stmt->fields[i].type || c->columns[i].flags != stmt->fields[i].flags)
			return false;
	return true;
}

void reef_mysql_columns_bind(lua_State *L, struct reef_mysql_columns *c, MYSQL_STMT *stmt, unsigned count) {
	if (columns_are_bound(c, stmt, count))
		return;
	c->bound = 0;
	columns_reach(L, c, count);
	memset(c->binds, 0, count * sizeof *c->binds);
	for (unsigned i = 0; i < count; i++) {
		MYSQL_BIND *bind = &c->binds[i];
		struct reef_mysql_column *column = &c->columns[i];
		column->type = stmt->fields[i].type;
		column->flags = stmt->fields[i].flags;
		bind->buffer_type = column_fetched_as(stmt->fields[i].type);
		bind->buffer = &column->integer;
		bind->buffer_length = REEF_MYSQL_SHORT - 1;
		bind->length = &column->length;
		bind->is_null = &column->null;
		bind->is_unsigned = (stmt->fields[i].flags & UNSIGNED_FLAG) != 0;
	}
	if (mysql_stmt_bind_result(stmt, c->binds) == 0)
		c->bound = count;
}

/* A text that is longer than its place. */
static const char *column_long_text(lua_State *L, MYSQL_STMT *stmt, unsigned column, struct reef_mysql_columns *c,
									unsigned long length) {
	if (length >= c->bytes_room) {
		char *larger = reef_try_realloc(c->bytes, length + 1);
		if (larger == NULL)
			luaL_error(L, "mysql: out of memory for a value of %d bytes", (int)length);
		c->bytes = larger;
		c->bytes_room = length + 1;
	}
	my_bool null = 0;
	MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_STRING,
					   .buffer = c->bytes,
					   .buffer_length = (unsigned long)c->bytes_room,
					   .length = &length,
					   .is_null = &null};
	mysql_stmt_fetch_column(stmt, &bind, column, 0);
	c->bytes[length] = '\0';
	return c->bytes;
}

lua_Integer reef_mysql_push_column(lua_State *L, MYSQL_STMT *stmt, const MYSQL_FIELD *field, unsigned column,
								   struct reef_mysql_columns *columns, bool exact) {
	struct reef_mysql_column *value = &columns->columns[column];
	if (value->null) {
		lua_pushnil(L);
		return 0;
	}
	switch (columns->binds[column].buffer_type) {
	case MYSQL_TYPE_LONGLONG:
		if ((field->flags & UNSIGNED_FLAG) && value->integer < 0) {
			char text[24];
			int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value->integer);
			column_push_number(L, text, (size_t)n, exact);
		} else {
			lua_pushinteger(L, value->integer);
		}
		return 0;
	case MYSQL_TYPE_FLOAT:
		lua_pushnumber(L, (lua_Number)value->single);
		return 0;
	case MYSQL_TYPE_DOUBLE:
		lua_pushnumber(L, value->real);
		return 0;
	case MYSQL_TYPE_STRING:
		if (value->length >= REEF_MYSQL_SHORT)
			return reef_mysql_push_text(L, field, column_long_text(L, stmt, column, columns, value->length),
										value->length, exact);
		value->text[value->length] = '\0';
		return reef_mysql_push_text(L, field, value->text, value->length, exact);
	default:
		column_push_time(L, field, &value->time);
		return 0;
	}
}

void reef_mysql_columns_fini(struct reef_mysql_columns *columns) {
	reef_free(columns->binds);
	reef_free(columns->columns);
	reef_free(columns->bytes);
	*columns = (struct reef_mysql_columns){.binds = NULL};
}
