/* CSV (RFC 4180), parsed by libcsv: a header with the names of the columns, then rows.
 *
 * libcsv says what is in a field, not where it was. It is fed from one separator to the next, so a field that it reports
 * ends where the piece ends, and the one after it begins there. A column that no type was asked for gets the narrowest
 * that all its values fit in, which takes a first pass over the text. What does not have the type that was asked for
 * stays text, and whoever asked will see it.
 */
#include "load.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <csv.h>
#include <lauxlib.h>

#define MAX_COLUMNS 1000

enum type { INTEGER, NUMBER, BOOLEAN, STRING, UNKNOWN };
static const char *const type_names[] = {"integer", "number", "boolean", "string"};

struct column {
	enum type type;
	bool not_integer, not_number, not_boolean, seen; /* of its values, while the type is unknown */
	bool guessed;                                    /* nobody has asked for the type */
};

struct reader {
	lua_State *L;
	const char *text, *end;
	char separator;
	struct csv_parser parser;
	void (*field)(struct reader *reader, const char *bytes, size_t n);
	void (*row)(struct reader *reader);
	/* Where the current field begins, where the current row does, and behind the piece that libcsv is being fed. */
	const char *start, *row_start, *piece_end;
	size_t rows, fields; /* rows that are complete, fields of the current row that are; the header is row 0 */
	bool stop;           /* the rest is of no interest */
	struct reef_place place;
	struct column *columns;
	size_t width;
	int names, problems, out; /* stack indices: names of columns, problems, what is made */
};

/* ---- reading ---- */

static void on_field(void *bytes, size_t n, void *ud) {
	struct reader *reader = ud;
	/* Blank lines and spaces before the field are not part of it. */
	const char *skipped = reader->fields == 0 ? " \t\r\n" : " \t";
	while (reader->start < reader->piece_end && *reader->start != reader->separator && *reader->start != '\0' &&
		   strchr(skipped, *reader->start))
		reader->start++;
	if (reader->fields == 0)
		reader->row_start = reader->start;
	reader->field(reader, bytes, n);
	reader->fields++;
	reader->start = reader->piece_end;
}

static void on_row(int terminator, void *ud) {
	struct reader *reader = ud;
	(void)terminator;
	reader->row(reader);
	reader->rows++;
	reader->fields = 0;
}

static bool is_quoted(const struct reader *reader) {
	return reader->start < reader->end && *reader->start == '"';
}

/* The message is on top of the stack. */
static void problem_at(struct reader *reader, const char *at) {
	reef_place_move(&reader->place, at);
	reef_load_problem(reader->L, reader->problems, reader->place.line, reader->place.column);
}

/* Goes through the text. False: it stops at an error, and a problem was added (unless `problems` is 0). */
static bool read_all(struct reader *reader) {
	const char *p = reader->text;
	reef_place_init(&reader->place, p);
	reader->start = reader->row_start = p;
	reader->rows = reader->fields = 0;
	char *why = NULL;
	while (p < reader->end && !reader->stop) {
		const char *q = p;
		while (q < reader->end && *q != reader->separator && *q != '\n' && *q != '\r')
			q++;
		q += q < reader->end;
		reader->piece_end = q;
		size_t used = csv_parse(&reader->parser, p, (size_t)(q - p), on_field, on_row, reader);
		if (used != (size_t)(q - p)) {
			p += used;
			why = csv_error(&reader->parser) == CSV_EPARSE ? "a quote in the middle of a field; a field with quotes is "
															 "quoted itself, and quotes in it are doubled"
														   : csv_strerror(csv_error(&reader->parser));
			break;
		}
		p = q;
	}
	if (why == NULL && !reader->stop && csv_fini(&reader->parser, on_field, on_row, reader) != 0) {
		why = "this quote has no end";
		p = reader->start;
		while (p < reader->end && *p != '"')
			p++;
	}
	if (why == NULL)
		return true;
	if (reader->problems != 0) {
		lua_pushstring(reader->L, why);
		problem_at(reader, p < reader->place.at ? reader->place.at : p);
	}
	return false;
}

/* ---- values ---- */

/* Is it [+-] digits [. digits] [e [+-] digits]? `*plain`: nothing but an optional - and digits without a leading zero. */
static bool is_number(const char *s, bool *plain, bool *leading_zero) {
	const char *p = s + (*s == '-' || *s == '+');
	size_t whole = strspn(p, "0123456789"), fraction = 0;
	*leading_zero = whole > 1 && *p == '0';
	*plain = *s != '+';
	p += whole;
	if (*p == '.') {
		*plain = false;
		fraction = strspn(++p, "0123456789");
		p += fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		*plain = false;
		p++;
		p += *p == '-' || *p == '+';
		size_t digits = strspn(p, "0123456789");
		if (digits == 0)
			return false;
		p += digits;
	}
	return *p == '\0';
}

static bool is_boolean(const char *s) {
	return strcasecmp(s, "true") == 0 || strcasecmp(s, "false") == 0;
}

/* Are all digits of the number's text 0, so that it is not one that is only too small? */
static bool is_zero(const char *s) {
	size_t i = strcspn(s, "123456789eE");
	return s[i] < '1' || s[i] > '9';
}

/* Pushes the number that the text is, which is_number has seen. False, and nothing is pushed, if the type has none. */
static bool push_number(lua_State *L, const char *s, enum type type) {
	if (lua_stringtonumber(L, s + (*s == '+')) == 0)
		return false;
	if (lua_isinteger(L, -1))
		return true;
	lua_Number n = lua_tonumber(L, -1);
	if (type == NUMBER && n - n == 0 && (n != 0 || is_zero(s)))
		return true;
	int exact = 0;
	lua_Integer i = lua_tointegerx(L, -1, &exact);
	lua_pop(L, 1);
	if (type == INTEGER && exact)
		lua_pushinteger(L, i);
	return type == INTEGER && exact;
}

static enum type type_of(const struct column *column) {
	if (column->type != UNKNOWN)
		return column->type;
	if (!column->seen)
		return STRING;
	if (!column->not_integer)
		return INTEGER;
	if (!column->not_number)
		return NUMBER;
	return column->not_boolean ? STRING : BOOLEAN;
}

/* The first pass: what do all values of a column have in common? */
static void guess_field(struct reader *reader, const char *bytes, size_t n) {
	if (reader->rows == 0 || reader->fields >= reader->width || bytes == NULL)
		return;
	struct column *column = &reader->columns[reader->fields];
	if (column->type != UNKNOWN || (column->not_number && column->not_boolean))
		return;
	bool plain, leading_zero, text = is_quoted(reader) || strlen(bytes) != n;
	column->seen = true;
	if (text || !is_number(bytes, &plain, &leading_zero) || leading_zero)
		column->not_integer = column->not_number = true;
	else if (!plain)
		column->not_integer = true;
	else if (n > 17) {
		/* Long numbers are names of something unless all their digits count. */
		if (push_number(reader->L, bytes, INTEGER))
			lua_pop(reader->L, 1);
		else
			column->not_integer = column->not_number = true;
	}
	if (text || !is_boolean(bytes))
		column->not_boolean = true;
}

static void no_row(struct reader *reader) {
	(void)reader;
}

/* Pushes the value of the current field: as its column's type, or else as the text that it is. False, and nothing is
 * pushed, if there is none. */
static bool push_field(struct reader *reader, const char *bytes, size_t n) {
	lua_State *L = reader->L;
	enum type type = reader->columns[reader->fields].type;
	bool plain, leading_zero;
	if (bytes == NULL || (n == 0 && type != STRING))
		return false;
	if (type == BOOLEAN && is_boolean(bytes)) {
		lua_pushboolean(L, (*bytes | 32) == 't');
	} else if (type > NUMBER || strlen(bytes) != n || !is_number(bytes, &plain, &leading_zero)) {
		lua_pushlstring(L, bytes, n);
	} else if (!push_number(L, bytes, type)) {
		if (reader->columns[reader->fields].guessed) {
			lua_rawgeti(L, reader->names, (lua_Integer)reader->fields + 1);
			lua_pushfstring(L, "column '%s': %s is out of the range of numbers; in quotes it would be text",
							lua_tostring(L, -1), bytes);
			lua_remove(L, -2);
			problem_at(reader, reader->start);
		}
		lua_pushlstring(L, bytes, n);
	}
	return true;
}

/* The second pass. The row that is being made is on top of the stack, names of columns are below it. */
static void make_field(struct reader *reader, const char *bytes, size_t n) {
	lua_State *L = reader->L;
	if (reader->rows == 0 || reader->fields >= reader->width)
		return;
	if (reader->fields == 0)
		lua_createtable(L, 0, (int)reader->width);
	if (push_field(reader, bytes, n)) {
		lua_pushvalue(L, reader->out + 1 + (int)reader->fields);
		lua_insert(L, -2);
		lua_rawset(L, -3);
	}
}

static void make_row(struct reader *reader) {
	lua_State *L = reader->L;
	if (reader->rows == 0)
		return;
	lua_rawseti(L, reader->out, (lua_Integer)reader->rows);
	if (reader->fields != reader->width) {
		lua_pushfstring(L, "this row has %d fields, the header has %d", (int)reader->fields, (int)reader->width);
		problem_at(reader, reader->row_start);
	}
}

/* ---- the header ---- */

static void header_field(struct reader *reader, const char *bytes, size_t n) {
	lua_State *L = reader->L;
	if (reader->rows > 0)
		return;
	lua_Integer number = (lua_Integer)reader->fields + 1;
	if (number > MAX_COLUMNS) {
		if (number == MAX_COLUMNS + 1 && reader->problems != 0) {
			lua_pushfstring(L, "more than %d columns", MAX_COLUMNS);
			problem_at(reader, reader->start);
		}
		return;
	}
	lua_pushlstring(L, bytes ? bytes : "", n);
	if (reader->problems != 0) {
		if (n == 0) {
			lua_pushfstring(L, "column %d has no name", (int)number);
			problem_at(reader, reader->start);
		}
		for (lua_Integer i = 1; i < number; i++) {
			lua_rawgeti(L, reader->names, i);
			if (n > 0 && lua_rawequal(L, -1, -2)) {
				lua_pushfstring(L, "column '%s' appears twice", lua_tostring(L, -1));
				problem_at(reader, reader->start);
			}
			lua_pop(L, 1);
		}
	}
	lua_rawseti(L, reader->names, number);
}

static void header_row(struct reader *reader) {
	reader->stop = true;
}

/* ---- the functions ---- */

static void reader_init(struct reader *reader, lua_State *L, const char *text, size_t n, const char *separator) {
	*reader = (struct reader){.L = L, .text = text, .end = text + n, .separator = *separator};
	reef_place_init(&reader->place, text);
}

static bool pass(struct reader *reader, void (*field)(struct reader *, const char *, size_t),
				 void (*row)(struct reader *)) {
	csv_free(&reader->parser);
	if (csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL | CSV_EMPTY_IS_NULL) != 0)
		return false;
	csv_set_delim(&reader->parser, (unsigned char)reader->separator);
	reader->field = field;
	reader->row = row;
	reader->stop = false;
	return read_all(reader);
}

static void read_header(struct reader *reader) {
	pass(reader, header_field, header_row);
	reader->width = lua_rawlen(reader->L, reader->names);
}

/* (reader, problems, types) -> sheet or nil */
static int load_all(lua_State *L) {
	struct reader *reader = lua_touserdata(L, 1);
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
	reader->columns = lua_newuserdatauv(L, reader->width * sizeof(struct column), 0);
	bool unknown = false;
	for (size_t i = 0; i < reader->width; i++) {
		lua_rawgeti(L, 5, (lua_Integer)i + 1);
		lua_gettable(L, 3);
		const char *wanted = lua_tostring(L, -1);
		enum type type = 0;
		while (type < UNKNOWN && (wanted == NULL || strcmp(type_names[type], wanted) != 0))
			type++;
		reader->columns[i] = (struct column){.type = type};
		unknown = unknown || type == UNKNOWN;
		lua_pop(L, 1);
	}
	if (unknown) {
		reader->problems = 0; /* they come in the next pass */
		pass(reader, guess_field, no_row);
		reader->problems = 2;
	}
	for (size_t i = 0; i < reader->width; i++) {
		reader->columns[i].guessed = reader->columns[i].type == UNKNOWN;
		reader->columns[i].type = type_of(&reader->columns[i]);
	}
	lua_createtable(L, (int)reader->rows, 0);
	reader->out = lua_gettop(L);
	luaL_checkstack(L, (int)reader->width + 20, "columns");
	for (size_t i = 0; i < reader->width; i++)
		lua_rawgeti(L, 5, (lua_Integer)i + 1);
	bool good = pass(reader, make_field, make_row);
	lua_pushvalue(L, reader->out);
	lua_setfield(L, 4, "rows");
	lua_settop(L, 4);
	return good;
}

static const char *check_separator(lua_State *L, int index) {
	const char *separator = luaL_optstring(L, index, ",");
	luaL_argcheck(L, strlen(separator) == 1 && !strchr("\"\r\n ", *separator), index, "a separator is one character");
	return separator;
}

int reef_load_csv(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	luaL_checktype(L, 2, LUA_TTABLE);
	const char *separator = check_separator(L, 3);
	lua_settop(L, 3);
	lua_newtable(L);
	struct reader reader;
	reader_init(&reader, L, text, n, separator);
	lua_pushcfunction(L, load_all);
	lua_pushlightuserdata(L, &reader);
	lua_pushvalue(L, 4);
	lua_pushvalue(L, 2);
	int status = lua_pcall(L, 3, 1, 0);
	csv_free(&reader.parser);
	if (status != LUA_OK)
		return lua_error(L);
	lua_pushvalue(L, 4);
	if (lua_rawlen(L, 4) == 0)
		lua_pop(L, 1);
	return lua_gettop(L) - 4;
}

/* ---- places ---- */

/* The tree is at index 2, the node of the current row (or nil) on top of the stack. */
static void look_field(struct reader *reader, const char *bytes, size_t n) {
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
static int look_all(lua_State *L) {
	struct reader *reader = lua_touserdata(L, 1);
	lua_newtable(L);
	reader->names = 4;
	read_header(reader);
	pass(reader, look_field, no_row);
	return 0;
}

int reef_load_csv_places(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	const char *separator = check_separator(L, 2);
	luaL_checktype(L, 3, LUA_TTABLE);
	lua_settop(L, 3);
	lua_newtable(L);
	struct reader reader;
	reader_init(&reader, L, text, n, separator);
	lua_pushcfunction(L, look_all);
	lua_pushlightuserdata(L, &reader);
	lua_pushvalue(L, 3);
	lua_pushvalue(L, 4);
	int status = lua_pcall(L, 3, 0, 0);
	csv_free(&reader.parser);
	if (status != LUA_OK)
		return lua_error(L);
	return 1;
}
