/* See load_csv_fast.h. Fields go from the text to their places in the rows, which are copies of a model
 * (sharetable/overlay/model.h). What is said here about quotes, blanks and ends of lines is what libcsv says.
 *
 * A column that no type was asked for has that of its values so far. Integers are what they are in a column of numbers, too;
 * but once a value shows that the column is text after all, the rows so far are of no use: the rest of the text is gone
 * through for types only, and then all of it a second time.
 *
 * Everything lies on the Lua stack, so an error leaves nothing behind.
 */
#include "load_csv_fast.h"

#include <string.h>

#include <lauxlib.h>

#include "core/decimal.h"
#include "csv_type.h"
#include "load_csv.h"
#include "sharetable/overlay/model.h"

#define INTEGER_DIGITS 17 /* fit in 64 bits, with a sign as well */

struct column {
	enum reef_csv_type type;
	bool guessed; /* nobody has asked for the type */
	int place;    /* in the model */
	struct reef_model_kept kept;
	struct {
		const void *row; /* NULL: none */
		const char *begin;
		size_t n;
	} late; /* a string that is put when the next one comes */
};

struct csv_text {
	lua_State *L;
	const char *at, *rows, *end; /* now; behind the header; a NUL is there */
	char separator;
	bool is_end[256]; /* does the byte end a field? */
	struct column *columns;
	size_t width;
	const void *model, *row;
	bool making; /* rows: false: types are to be found */
	int names, out;
};

static bool ends(const struct csv_text *csv, const char *p) {
	return csv->is_end[(unsigned char)*p];
}

static const char *past_blanks(const struct csv_text *csv, const char *p) {
	while (*p == ' ' || (*p == '\t' && csv->separator != '\t'))
		p++;
	return p;
}

/* ---- fields ---- */

struct span {
	const char *begin;
	size_t n;
	bool quoted, doubled; /* quotes are around it; there are two for one in it */
};

/* Finds the field at `p`, behind its blanks. Returns what ends it; NULL: this is no good field. */
static const char *find_field(const struct csv_text *csv, const char *p, struct span *field) {
	*field = (struct span){.begin = p};
	if (*p != '"') {
		while (!ends(csv, p) && *p != '"')
			p++;
		const char *last = p;
		while (last > field->begin && (last[-1] == ' ' || last[-1] == '\t'))
			last--;
		field->n = (size_t)(last - field->begin);
		return *p == '"' ? NULL : p;
	}
	field->quoted = true;
	field->begin = ++p;
	while ((p = memchr(p, '"', (size_t)(csv->end - p))) != NULL && p[1] == '"') {
		field->doubled = true;
		p += 2;
	}
	if (p == NULL)
		return NULL;
	field->n = (size_t)(p - field->begin);
	p = past_blanks(csv, p + 1);
	return ends(csv, p) ? p : NULL;
}

/* Pushes the field as a string. */
static const char *push_text(lua_State *L, const struct span *field, size_t *n) {
	lua_pushlstring(L, field->begin, field->n);
	if (field->doubled) {
		luaL_gsub(L, lua_tostring(L, -1), "\"\"", "\"");
		lua_remove(L, -2);
	}
	return lua_tolstring(L, -1, n);
}

static void widen(struct csv_text *csv, struct column *column, enum reef_csv_type type) {
	enum reef_csv_type joined = reef_csv_type_join(column->type, type);
	if (joined == REEF_CSV_STRING && column->type < REEF_CSV_STRING)
		csv->making = false;
	column->type = joined;
}

/* A value of a column that is not text. False: it is out of the range of numbers. */
static bool put_value(struct csv_text *csv, struct column *column, const struct span *field) {
	lua_State *L = csv->L;
	size_t n;
	const char *bytes = push_text(L, field, &n);
	bool out_of_range = false;
	if (column->guessed)
		widen(csv, column, reef_csv_type_of(L, bytes, n, field->quoted));
	if (csv->making) {
		if (reef_csv_push(L, bytes, n, column->type, &out_of_range))
			reef_model_put(L, csv->row, column->place);
		else
			reef_model_clear(csv->row, column->place);
	}
	lua_pop(L, 1);
	return !(out_of_range && column->guessed);
}

/* Puts the string that was late. */
static void put_late(struct csv_text *csv, struct column *column) {
	if (column->late.row != NULL)
		reef_model_put_string(csv->L, column->late.row, column->place, column->late.begin, column->late.n,
							  &column->kept);
	column->late.row = NULL;
}

/* Looking for a string that did not come lately waits for memory: it is begun now, and done when the next one comes. */
static void put_string(struct csv_text *csv, struct column *column, const struct span *field) {
	if (reef_model_put_kept(csv->L, csv->row, column->place, field->begin, field->n, &column->kept))
		return;
	put_late(csv, column);
	column->late.row = csv->row;
	column->late.begin = field->begin;
	column->late.n = field->n;
}

static bool put_field(struct csv_text *csv, struct column *column, const struct span *field) {
	if (field->n == 0 && !field->quoted) {
		if (csv->making)
			reef_model_clear(csv->row, column->place);
		return true;
	}
	if (column->type != REEF_CSV_STRING)
		return put_value(csv, column, field);
	if (!csv->making)
		return true;
	if (field->doubled) {
		size_t n;
		push_text(csv->L, field, &n);
		reef_model_put(csv->L, csv->row, column->place);
	} else {
		put_string(csv, column, field);
	}
	return true;
}

/* A field at `p` that is a number as most are, for a column that may have it. Returns what ends it; NULL: it is another one. */
static const char *put_number(struct csv_text *csv, struct column *column, const char *p) {
	bool minus = *p == '-';
	const char *digits = p += minus;
	lua_Unsigned value = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (lua_Unsigned)(*p - '0');
	ptrdiff_t n = p - digits;
	if (n == 0 || n > INTEGER_DIGITS || (n > 1 && *digits == '0'))
		return NULL;
	if (ends(csv, p)) {
		if (column->type == REEF_CSV_UNKNOWN)
			column->type = REEF_CSV_INTEGER;
		if (csv->making)
			reef_model_put_integer(csv->row, column->place, (lua_Integer)(minus ? 0 - value : value));
		return p;
	}
	if (*p != '.' || !(column->type == REEF_CSV_NUMBER || column->guessed))
		return NULL;
	const char *point = p++;
	for (; *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (lua_Unsigned)(*p - '0');
	ptrdiff_t fraction = p - point - 1;
	if (fraction == 0 || n + fraction > REEF_DECIMAL_DIGITS || !ends(csv, p))
		return NULL;
	column->type = REEF_CSV_NUMBER;
	double number = reef_decimal(value, (unsigned)fraction);
	if (csv->making)
		reef_model_put_number(csv->row, column->place, minus ? -number : number);
	return p;
}

static bool may_be_number(const struct column *column) {
	return column->type <= REEF_CSV_NUMBER || column->type == REEF_CSV_UNKNOWN;
}

/* ---- rows ---- */

/* Goes to the beginning of the next row, past lines with nothing but blanks. False: there is none. */
static bool find_row(struct csv_text *csv) {
	const char *p = csv->at;
	while (*p == '\n' || *p == '\r' || *p == ' ' || (*p == '\t' && csv->separator != '\t'))
		p++;
	csv->at = p;
	return p != csv->end;
}

static bool read_row(struct csv_text *csv) {
	const char *p = csv->at;
	for (size_t i = 0; i < csv->width; i++, p++) {
		struct column *column = &csv->columns[i];
		p = past_blanks(csv, p);
		const char *next = may_be_number(column) ? put_number(csv, column, p) : NULL;
		if (next == NULL) {
			struct span field;
			next = find_field(csv, p, &field);
			if (next == NULL || !put_field(csv, column, &field))
				return false;
		}
		p = next;
		if (*p != csv->separator) {
			csv->at = p;
			return i + 1 == csv->width;
		}
	}
	return false;
}

static bool read_rows(struct csv_text *csv) {
	lua_State *L = csv->L;
	lua_Integer count = 0;
	csv->at = csv->rows;
	while (find_row(csv)) {
		if (csv->making)
			csv->row = reef_model_push(L, csv->model);
		if (!read_row(csv))
			return false;
		if (csv->making)
			lua_rawseti(L, csv->out, ++count);
		else
			lua_settop(L, csv->out);
	}
	for (size_t i = 0; csv->making && i < csv->width; i++)
		put_late(csv, &csv->columns[i]);
	return true;
}

/* ---- the header ---- */

static bool read_names(struct csv_text *csv) {
	const char *p = csv->at;
	for (;; p++) {
		struct span field;
		size_t n;
		p = find_field(csv, past_blanks(csv, p), &field);
		if (p == NULL || field.n == 0 || csv->width == REEF_CSV_MAX_COLUMNS)
			return false;
		push_text(csv->L, &field, &n);
		lua_rawseti(csv->L, csv->names, (lua_Integer)++csv->width);
		if (*p != csv->separator)
			break;
	}
	csv->at = p;
	return true;
}

/* Pushes what rows are made after. False: a name comes twice. */
static bool push_model(struct csv_text *csv) {
	lua_State *L = csv->L;
	lua_createtable(L, 0, (int)csv->width);
	int model = lua_gettop(L);
	csv->model = lua_topointer(L, model);
	for (size_t i = 0; i < csv->width; i++) {
		lua_rawgeti(L, csv->names, (lua_Integer)i + 1);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, model) != LUA_TNIL)
			return false;
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
		lua_rawset(L, model);
	}
	return true;
}

/* Pushes the columns' memory. False: a name is too long for a model. */
static bool push_columns(struct csv_text *csv, int types) {
	lua_State *L = csv->L;
	csv->columns = lua_newuserdatauv(L, csv->width * sizeof(*csv->columns), 0);
	for (size_t i = 0; i < csv->width; i++) {
		lua_rawgeti(L, csv->names, (lua_Integer)i + 1);
		int place = reef_model_place(L, csv->model);
		lua_gettable(L, types);
		enum reef_csv_type type = reef_csv_type_named(lua_tostring(L, -1));
		lua_pop(L, 1);
		if (place < 0)
			return false;
		csv->columns[i] = (struct column){.type = type, .guessed = type == REEF_CSV_UNKNOWN, .place = place};
	}
	return true;
}

static void begin_rows(struct csv_text *csv) {
	for (size_t i = 0; i < csv->width; i++) {
		csv->columns[i].kept = (struct reef_model_kept){{NULL}};
		csv->columns[i].late.row = NULL;
	}
	lua_settop(csv->L, csv->out - 1);
	lua_newtable(csv->L);
	csv->making = true;
}

static bool read_sheet(struct csv_text *csv, int types) {
	lua_State *L = csv->L;
	csv->names = lua_gettop(L) + 1;
	luaL_checkstack(L, 20, "CSV");
	lua_newtable(L);
	if (!find_row(csv) || !read_names(csv) || !push_model(csv) || !push_columns(csv, types))
		return false;
	csv->rows = csv->at;
	csv->out = csv->names + 3;
	begin_rows(csv);
	if (!read_rows(csv))
		return false;
	if (csv->making)
		return true;
	begin_rows(csv);
	return read_rows(csv) && csv->making;
}

bool reef_load_csv_fast(lua_State *L, const char *text, size_t n, int types, char separator) {
	struct csv_text csv = {.L = L, .at = text, .end = text + n, .separator = separator};
	int top = lua_gettop(L);
	/* Numbers are read without a look at whether a byte of theirs is the separator. */
	bool in_numbers = separator == '-' || (separator >= '0' && separator <= '9');
	if (in_numbers || memchr(text, 0, n) != NULL)
		return false;
	csv.is_end[0] = csv.is_end['\r'] = csv.is_end['\n'] = csv.is_end[(unsigned char)separator] = true;
	if (!read_sheet(&csv, types)) {
		lua_settop(L, top);
		return false;
	}
	lua_newtable(L);
	lua_pushvalue(L, csv.names);
	lua_setfield(L, -2, "columns");
	lua_pushvalue(L, csv.out);
	lua_setfield(L, -2, "rows");
	lua_replace(L, top + 1);
	lua_settop(L, top + 1);
	return true;
}
