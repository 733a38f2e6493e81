/* CSV (RFC 4180), parsed by libcsv: a header with the names of the columns, then rows. Text that is good does not come here
 * (load_csv_fast.h).
 *
 * A column that no type was asked for gets the narrowest that all its values fit in, which takes a first pass over the
 * text. What does not have the type that was asked for stays text, and whoever asked will see it.
 */
#include "load_csv.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "csv_reader.h"
#include "csv_type.h"
#include "load.h"
#include "load_csv_fast.h"
#include "sharetable/overlay/model.h"

struct reef_csv_column {
	enum reef_csv_type type;
	int place;    /* in the model */
	bool guessed; /* nobody has asked for the type */
};

/* ---- values ---- */

/* The first pass: what do all values of a column have in common? */
static void guess_field(struct reef_csv_reader *reader, const char *bytes, size_t n) {
	if (reader->rows == 0 || reader->fields >= reader->width || bytes == NULL)
		return;
	struct reef_csv_column *column = &reader->columns[reader->fields];
	if (column->guessed && column->type != REEF_CSV_STRING)
		column->type = reef_csv_type_join(column->type,
										  reef_csv_type_of(reader->L, bytes, n, reef_csv_reader_is_quoted(reader)));
}

static void no_row(struct reef_csv_reader *reader) {
	(void)reader;
}

/* Pushes the value of the current field: as its column's type, or else as the text that it is. False, and nothing is
 * pushed, if there is none. */
static bool push_field(struct reef_csv_reader *reader, const char *bytes, size_t n) {
	lua_State *L = reader->L;
	const struct reef_csv_column *column = &reader->columns[reader->fields];
	bool out_of_range;
	if (!reef_csv_push(L, bytes, n, column->type, &out_of_range))
		return false;
	if (out_of_range && column->guessed) {
		lua_rawgeti(L, reader->names, (lua_Integer)reader->fields + 1);
		lua_pushfstring(L, "column '%s': %s is out of the range of numbers; in quotes it would be text",
						lua_tostring(L, -1), bytes);
		lua_remove(L, -2);
		reef_csv_reader_problem(reader, reader->start);
	}
	return true;
}

/* The second pass. The row that is being made is on top of the stack, names of columns are below it. */
static void make_field(struct reef_csv_reader *reader, const char *bytes, size_t n) {
	lua_State *L = reader->L;
	if (reader->rows == 0 || reader->fields >= reader->width)
		return;
	if (reader->fields == 0 && reader->model != NULL)
		reader->made = reef_model_push(L, reader->model);
	else if (reader->fields == 0)
		lua_createtable(L, 0, (int)reader->width);
	if (reader->model != NULL) {
		if (push_field(reader, bytes, n))
			reef_model_put(L, reader->made, reader->columns[reader->fields].place);
		else
			reef_model_clear(reader->made, reader->columns[reader->fields].place);
		return;
	}
	lua_pushvalue(L, reader->out + 1 + (int)reader->fields);
	if (push_field(reader, bytes, n))
		lua_rawset(L, -3);
	else
		lua_pop(L, 1);
}

static void make_row(struct reef_csv_reader *reader) {
	lua_State *L = reader->L;
	if (reader->rows == 0)
		return;
	for (size_t i = reader->fields; reader->model != NULL && i < reader->width; i++)
		reef_model_clear(reader->made, reader->columns[i].place);
	lua_rawseti(L, reader->out, (lua_Integer)reader->rows);
	if (reader->fields != reader->width) {
		lua_pushfstring(L, "this row has %d fields, the header has %d", (int)reader->fields, (int)reader->width);
		reef_csv_reader_problem(reader, reader->row_start);
	}
}

/* ---- the header ---- */

static void header_field(struct reef_csv_reader *reader, const char *bytes, size_t n) {
	lua_State *L = reader->L;
	if (reader->rows > 0)
		return;
	lua_Integer number = (lua_Integer)reader->fields + 1;
	if (number > REEF_CSV_MAX_COLUMNS) {
		if (number == REEF_CSV_MAX_COLUMNS + 1 && reader->problems != 0) {
			lua_pushfstring(L, "more than %d columns", REEF_CSV_MAX_COLUMNS);
			reef_csv_reader_problem(reader, reader->start);
		}
		return;
	}
	lua_pushlstring(L, bytes ? bytes : "", n);
	if (reader->problems != 0) {
		if (n == 0) {
			lua_pushfstring(L, "column %d has no name", (int)number);
			reef_csv_reader_problem(reader, reader->start);
		}
		for (lua_Integer i = 1; i < number; i++) {
			lua_rawgeti(L, reader->names, i);
			if (n > 0 && lua_rawequal(L, -1, -2)) {
				lua_pushfstring(L, "column '%s' appears twice", lua_tostring(L, -1));
				reef_csv_reader_problem(reader, reader->start);
			}
			lua_pop(L, 1);
		}
	}
	lua_rawseti(L, reader->names, number);
}

static void header_row(struct reef_csv_reader *reader) {
	reader->stop = true;
}

/* ---- the functions ---- */

static void read_header(struct reef_csv_reader *reader) {
	reef_csv_reader_pass(reader, header_field, header_row);
	reader->width = lua_rawlen(reader->L, reader->names);
}

/* What type has each column? Those that were asked for are in the table at 3. Pushes the columns' memory. */
static void find_types(struct reef_csv_reader *reader) {
	lua_State *L = reader->L;
	reader->columns = lua_newuserdatauv(L, reader->width * sizeof(struct reef_csv_column), 0);
	bool unknown = false;
	for (size_t i = 0; i < reader->width; i++) {
		lua_rawgeti(L, 5, (lua_Integer)i + 1);
		lua_gettable(L, 3);
		enum reef_csv_type type = reef_csv_type_named(lua_tostring(L, -1));
		reader->columns[i] = (struct reef_csv_column){.type = type, .guessed = type == REEF_CSV_UNKNOWN};
		unknown = unknown || type == REEF_CSV_UNKNOWN;
		lua_pop(L, 1);
	}
	if (unknown) {
		reader->problems = 0; /* they come in the next pass */
		reef_csv_reader_pass(reader, guess_field, no_row);
		reader->problems = 2;
	}
	for (size_t i = 0; i < reader->width; i++) {
		if (reader->columns[i].type == REEF_CSV_UNKNOWN) /* no value at all */
			reader->columns[i].type = REEF_CSV_STRING;
	}
}

/* Pushes what rows are made after, with the names of the columns, which are on the stack behind `out`. A name may be
 * too long for that. */
static void push_csv_model(struct reef_csv_reader *reader) {
	lua_State *L = reader->L;
	lua_createtable(L, 0, (int)reader->width);
	for (size_t i = 0; i < reader->width; i++) {
		lua_pushvalue(L, reader->out + 1 + (int)i);
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
	reader->model = lua_topointer(L, -1);
	for (size_t i = 0; i < reader->width; i++) {
		lua_pushvalue(L, reader->out + 1 + (int)i);
		reader->columns[i].place = reef_model_place(L, lua_topointer(L, -2));
		if (reader->columns[i].place < 0)
			reader->model = NULL;
		lua_pop(L, 1);
	}
}

/* (reader, problems, types) -> sheet or nil */
static int load_csv_sheet(lua_State *L) {
	struct reef_csv_reader *reader = lua_touserdata(L, 1);
	reader->problems = 2;
	lua_newtable(L);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, 4, "columns");
	reader->names = 5;
	read_header(reader);
	if (lua_rawlen(L, 2) > 0)
		return 0;
	if (reader->width == 0) {
		lua_pushliteral(L, "there is no line with the names of the columns");
		reef_load_problem(L, 2, 1, 0);
		return 0;
	}
	find_types(reader);
	lua_createtable(L, (int)reader->rows, 0);
	reader->out = lua_gettop(L);
	luaL_checkstack(L, (int)reader->width + 20, "columns");
	for (size_t i = 0; i < reader->width; i++)
		lua_rawgeti(L, 5, (lua_Integer)i + 1);
	push_csv_model(reader);
	bool good = reef_csv_reader_pass(reader, make_field, make_row);
	lua_pushvalue(L, reader->out);
	lua_setfield(L, 4, "rows");
	lua_settop(L, 4);
	return good;
}

const char *reef_csv_check_separator(lua_State *L, int index) {
	size_t n;
	const char *separator = luaL_optlstring(L, index, ",", &n);
	luaL_argcheck(L, n == 1 && memchr("\"\r\n ", *separator, 5) == NULL, index, "a separator is one character");
	return separator;
}

/* Calls `work` with a reader of the text at 1 and the values at these two indices: its one result is pushed. Frees what
 * libcsv has even when it raises. */
static void with_reader(lua_State *L, lua_CFunction work, const char *separator, int first, int second) {
	struct reef_csv_reader reader;
	size_t n;
	const char *text = lua_tolstring(L, 1, &n);
	reef_csv_reader_init(&reader, L, text, n, separator);
	lua_pushcfunction(L, work);
	lua_pushlightuserdata(L, &reader);
	lua_pushvalue(L, first);
	lua_pushvalue(L, second);
	int status = lua_pcall(L, 3, 1, 0);
	csv_free(&reader.parser);
	if (status != LUA_OK)
		lua_error(L);
}

int reef_load_csv(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	luaL_checktype(L, 2, LUA_TTABLE);
	const char *separator = reef_csv_check_separator(L, 3);
	lua_settop(L, 3);
	return reef_load_csv_fast(L, text, n, 2, *separator) ? 1 : reef_load_csv_careful(L);
}

int reef_load_csv_careful(lua_State *L) {
	luaL_checkstring(L, 1);
	luaL_checktype(L, 2, LUA_TTABLE);
	const char *separator = reef_csv_check_separator(L, 3);
	lua_settop(L, 3);
	lua_newtable(L);
	with_reader(L, load_csv_sheet, separator, 4, 2);
	lua_pushvalue(L, 4);
	if (lua_rawlen(L, 4) == 0)
		lua_pop(L, 1);
	return lua_gettop(L) - 4;
}

/* ---- places ---- */

/* The tree is at index 2, the node of the current row (or nil) on top of the stack. */
static void find_csv_place(struct reef_csv_reader *reader, const char *bytes, size_t n) {
	lua_State *L = reader->L;
	(void)bytes;
	(void)n;
	if (reader->fields == 0) {
		lua_settop(L, 4);
		lua_pushinteger(L, (lua_Integer)reader->rows);
		lua_pushvalue(L, 2);
		reef_load_child(L, 5);
		lua_replace(L, 5);
		lua_settop(L, 5);
		lua_Integer at = reef_load_asked(L);
		if (at != 0) {
			reef_place_move(&reader->place, reader->row_start);
			reef_load_place(L, 3, at, reader->place.line, 0);
		}
	}
	if (lua_isnil(L, 5))
		return;
	lua_rawgeti(L, 4, (lua_Integer)reader->fields + 1);
	lua_pushvalue(L, 5);
	reef_load_child(L, 6);
	lua_Integer at = reef_load_asked(L);
	if (at != 0) {
		reef_place_move(&reader->place, reader->start);
		reef_load_place(L, 3, at, reader->place.line, reader->place.column);
	}
	lua_settop(L, 5);
}

/* (reader, tree, places) */
static int find_csv_places(lua_State *L) {
	struct reef_csv_reader *reader = lua_touserdata(L, 1);
	lua_newtable(L);
	reader->names = 4;
	read_header(reader);
	reef_csv_reader_pass(reader, find_csv_place, no_row);
	return 0;
}

int reef_load_csv_places(lua_State *L) {
	luaL_checkstring(L, 1);
	const char *separator = reef_csv_check_separator(L, 2);
	luaL_checktype(L, 3, LUA_TTABLE);
	lua_settop(L, 3);
	lua_newtable(L);
	with_reader(L, find_csv_places, separator, 3, 4);
	lua_settop(L, 4);
	return 1;
}
