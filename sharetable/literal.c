/* See literal.h. What is a number, a string, a blank or a comment is what llex.c says, and where that is not short it is left
 * to Lua. A value that is followed by anything but the end of a field is part of an expression, which is Lua's as well.
 *
 * The fields of a table wait on the Lua stack until it is known how many there are, as the compiler counts them. Tables in
 * the same place mostly have the same names in the same order: the third one is made after a model
 * (sharetable/overlay/model.h), and so are those that follow as long as they go on as it does.
 *
 * Everything lies on the Lua stack, so an error leaves nothing behind. No value is ever overwritten, so strings that came
 * before are there.
 */
#include "sharetable/overlay/ov.h" /* before lua.h, which shows less to those who are not of Lua's core */

#include "literal.h"

#include <string.h>

#include <lauxlib.h>

#include "literal_text.h"
#include "sharetable/overlay/model.h"

#define MAX_DEPTH 100
#define MAX_NAMES 32   /* of a model */
#define MAX_WAITING 64 /* fields on the stack */
#define MAX_MISSES 4
#define SHAPES 64 /* places of tables that are told apart */

struct field {
	struct reef_literal_span name;
	int place; /* in the model */
	struct reef_model_kept kept;
};

/* What tables in one place look like. */
struct shape {
	bool used;         /* by a table that is being read */
	const void *model; /* NULL: none */
	int misses;        /* tables in a row that went another way */
	size_t count;      /* names of the model, or of the last table */
	struct field fields[MAX_NAMES];
};

struct literal {
	lua_State *L;
	const char *at;
	struct shape *shapes[SHAPES];
	int keep, longs; /* indices: shapes and models; long strings, each once as in code */
};

static bool read_table(struct literal *lit, int depth, unsigned int where);

/* ---- the text ---- */

static bool past_blanks(struct literal *lit) {
	const char *p = reef_literal_blanks(lit->at);
	lit->at = p == NULL ? lit->at : p;
	return p != NULL;
}

static bool past_equals(struct literal *lit) {
	if (!past_blanks(lit) || lit->at[0] != '=' || lit->at[1] == '=')
		return false;
	lit->at++;
	return past_blanks(lit);
}

/* What may follow a field. */
static bool past_separator(struct literal *lit) {
	if (!past_blanks(lit))
		return false;
	bool separator = *lit->at == ',' || *lit->at == ';';
	lit->at += separator;
	return separator || *lit->at == '}';
}

static bool read_value(struct literal *lit, struct reef_literal_value *value, int depth, unsigned int where) {
	if (*lit->at == '{') {
		lit->at++;
		value->kind = REEF_LITERAL_PUSHED;
		return read_table(lit, depth + 1, where);
	}
	const char *p = reef_literal_constant(lit->L, lit->at, value);
	lit->at = p == NULL ? lit->at : p;
	return p != NULL;
}

/* ---- values ---- */

static void push_span(lua_State *L, const struct reef_literal_span *span) {
	lua_pushlstring(L, span->begin, span->size);
}

/* The value on top is as a constant is: of equal long strings there is one. */
static void keep_long(struct literal *lit) {
	lua_State *L = lit->L;
	if (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) <= LUAI_MAXSHORTLEN)
		return;
	lua_pushvalue(L, -1);
	if (lua_rawget(L, lit->longs) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_pushvalue(L, -1);
		lua_rawset(L, lit->longs);
	} else {
		lua_remove(L, -2);
	}
}

static void push_value(struct literal *lit, const struct reef_literal_value *value) {
	switch (value->kind) {
	case REEF_LITERAL_INTEGER:
		lua_pushinteger(lit->L, value->u.integer);
		break;
	case REEF_LITERAL_NUMBER:
		lua_pushnumber(lit->L, value->u.number);
		break;
	case REEF_LITERAL_BOOLEAN:
		lua_pushboolean(lit->L, value->u.boolean);
		break;
	case REEF_LITERAL_STRING:
		push_span(lit->L, &value->u.string);
		keep_long(lit);
		break;
	case REEF_LITERAL_PUSHED:
		keep_long(lit);
		break;
	}
}

static void put_value(struct literal *lit, const struct reef_literal_value *value, const void *table,
					  struct field *field) {
	if (value->kind == REEF_LITERAL_INTEGER) {
		reef_model_put_integer(table, field->place, value->u.integer);
	} else if (value->kind == REEF_LITERAL_NUMBER) {
		reef_model_put_number(table, field->place, value->u.number);
	} else if (value->kind == REEF_LITERAL_STRING && value->u.string.size <= LUAI_MAXSHORTLEN) {
		reef_model_put_string(lit->L, table, field->place, value->u.string.begin, value->u.string.size, &field->kept);
	} else {
		push_value(lit, value);
		reef_model_put(lit->L, table, field->place);
	}
}

/* ---- shapes ---- */

/* What is known of tables in a place; NULL: it is used already. */
static struct shape *shape_at(struct literal *lit, unsigned int where) {
	struct shape **shape = &lit->shapes[where % SHAPES];
	if (*shape == NULL) {
		struct shape *fresh = lua_newuserdatauv(lit->L, sizeof(*fresh), 0);
		memset(fresh, 0, sizeof(*fresh));
		lua_rawseti(lit->L, lit->keep, (lua_Integer)(where % SHAPES) * 2 + 1);
		*shape = fresh;
	}
	return (*shape)->used ? NULL : *shape;
}

static unsigned int place_below(unsigned int where, const struct reef_literal_span *name) {
	unsigned int own = name == NULL
							   ? 0
							   : (unsigned char)name->begin[0] * 7u + (unsigned char)name->begin[name->size - 1] * 3u +
										 (unsigned int)name->size;
	return where * 31 + own + 1;
}

static bool same_name(const struct reef_literal_span *a, const struct reef_literal_span *b) {
	return a->size == b->size && memcmp(a->begin, b->begin, a->size) == 0;
}

/* All names are different from each other. */
static void make_model(struct literal *lit, struct shape *shape, unsigned int where) {
	lua_State *L = lit->L;
	lua_createtable(L, 0, (int)shape->count);
	for (size_t i = 0; i < shape->count; i++) {
		push_span(L, &shape->fields[i].name);
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
	const void *model = lua_topointer(L, -1);
	for (size_t i = 0; model != NULL && i < shape->count; i++) {
		push_span(L, &shape->fields[i].name);
		shape->fields[i].place = reef_model_place(L, model);
		if (shape->fields[i].place < 0)
			model = NULL;
		lua_pop(L, 1);
	}
	lua_rawseti(L, lit->keep, (lua_Integer)(where % SHAPES) * 2 + 2);
	shape->model = model;
}

/* ---- tables ---- */

/* A table that is being read. Until it is known how large it is, its fields wait on the stack above `base`; then it is
 * there. */
struct building {
	int base, waiting; /* pairs or items */
	bool pairs;        /* they are pairs */
	bool made;
	bool numbers;        /* some keys are */
	lua_Integer items;   /* all so far */
	struct shape *shape; /* to which its names are told; NULL: none */
	size_t names, alike; /* of `shape`: so many, and so many from the first on that are those of the last table */
};

/* Pops a key and a value into the table. False: it has the key already. */
static bool set_pair(lua_State *L, int table) {
	lua_pushvalue(L, -2);
	if (lua_rawget(L, table) != LUA_TNIL)
		return false;
	lua_pop(L, 1);
	lua_rawset(L, table);
	return true;
}

/* Makes the table of what waits. */
static bool make_table(lua_State *L, struct building *b) {
	int table = b->base + 1;
	lua_createtable(L, b->pairs ? 0 : b->waiting, b->pairs ? b->waiting : 0);
	lua_insert(L, table);
	for (int i = 0; b->pairs && i < b->waiting; i++) {
		lua_pushvalue(L, table + 1 + 2 * i);
		lua_pushvalue(L, table + 2 + 2 * i);
		if (!set_pair(L, table))
			return false;
	}
	for (int i = b->waiting; !b->pairs && i > 0; i--)
		lua_rawseti(L, table, i);
	lua_settop(L, table);
	b->made = true;
	return true;
}

/* Before a field is pushed. */
static bool begin_field(lua_State *L, struct building *b, bool pair) {
	if (!b->made && b->waiting > 0 && (b->waiting == MAX_WAITING || b->pairs != pair) && !make_table(L, b))
		return false;
	b->pairs = pair;
	return true;
}

/* With the field on top. */
static bool end_field(lua_State *L, struct building *b) {
	b->items += !b->pairs;
	if (b->items > 0 && b->numbers) /* one may be the other, and which counts depends */
		return false;
	b->waiting += !b->made;
	if (!b->made)
		return true;
	if (b->pairs)
		return set_pair(L, b->base + 1);
	lua_rawseti(L, b->base + 1, b->items);
	return true;
}

static bool read_item(struct literal *lit, struct building *b, int depth, unsigned int where) {
	struct reef_literal_value value;
	if (!begin_field(lit->L, b, false) || !read_value(lit, &value, depth, place_below(where, NULL)))
		return false;
	push_value(lit, &value);
	b->shape = NULL;
	return end_field(lit->L, b);
}

/* A field [key] = value. */
static bool read_keyed(struct literal *lit, struct building *b, int depth, unsigned int where) {
	struct reef_literal_value key, value;
	lit->at++;
	if (!begin_field(lit->L, b, true) || !past_blanks(lit) || *lit->at == '{' || !read_value(lit, &key, depth, where) ||
		!past_blanks(lit) || *lit->at++ != ']' || !past_equals(lit))
		return false;
	push_value(lit, &key);
	b->numbers |= key.kind <= REEF_LITERAL_NUMBER;
	b->shape = NULL;
	if (!read_value(lit, &value, depth, place_below(where, NULL)))
		return false;
	push_value(lit, &value);
	return end_field(lit->L, b);
}

/* Tells the table's shape of one more name. */
static void note_name(struct building *b, const struct reef_literal_span *name) {
	if (b->shape == NULL)
		return;
	if (b->names == MAX_NAMES) {
		b->shape->count = 0;
		b->shape = NULL;
		return;
	}
	struct reef_literal_span *known = &b->shape->fields[b->names].name;
	b->alike += b->alike == b->names && b->names < b->shape->count && same_name(known, name);
	*known = *name;
	b->names++;
}

/* A field name = value, or the item `true` or `false`. */
static bool read_named(struct literal *lit, struct building *b, int depth, unsigned int where) {
	struct reef_literal_span name;
	struct reef_literal_value value;
	const char *begin = lit->at;
	lit->at = reef_literal_name(begin, &name);
	if (!past_equals(lit)) {
		lit->at = begin;
		return read_item(lit, b, depth, where);
	}
	if (!begin_field(lit->L, b, true))
		return false;
	push_span(lit->L, &name);
	note_name(b, &name);
	if (isreserved(tsvalue(s2v(REEF_TOP(lit->L) - 1))) || !read_value(lit, &value, depth, place_below(where, &name)))
		return false;
	push_value(lit, &value);
	return end_field(lit->L, b);
}

static bool read_fields(struct literal *lit, struct building *b, int depth, unsigned int where) {
	for (;;) {
		struct reef_literal_span name;
		if (!past_blanks(lit))
			return false;
		if (*lit->at == '}')
			break;
		reef_literal_name(lit->at, &name);
		bool keyed = *lit->at == '[' && !reef_literal_is_long(lit->at);
		if (!(name.size > 0 ? read_named
			  : keyed       ? read_keyed
							: read_item)(lit, b, depth, where) ||
			!past_separator(lit))
			return false;
	}
	lit->at++;
	return b->made || make_table(lit->L, b);
}

/* A table of which nothing is known, or of which so many pairs wait already. */
static bool read_any(struct literal *lit, struct shape *shape, int base, int waiting, int depth, unsigned int where) {
	struct building b = {.base = base, .waiting = waiting, .pairs = true};
	if (shape != NULL && shape->model == NULL)
		b.shape = shape;
	if (!read_fields(lit, &b, depth, where))
		return false;
	if (b.shape != NULL && b.names > 0 && b.alike == b.names && b.names == shape->count)
		make_model(lit, shape, where);
	else if (b.shape != NULL)
		shape->count = b.names;
	return true;
}

/* A table like the last ones; if it goes another way, which is a miss, the fields that were alike wait on the stack, in its
 * place. */
static bool read_alike(struct literal *lit, struct shape *shape, int *waiting, int depth, unsigned int where) {
	lua_State *L = lit->L;
	const void *table = reef_model_push(L, shape->model);
	size_t i = 0;
	for (; i < shape->count; i++) {
		struct field *field = &shape->fields[i];
		struct reef_literal_value value;
		if (!past_blanks(lit))
			return false;
		const char *begin = lit->at;
		if (strncmp(begin, field->name.begin, field->name.size) != 0)
			break;
		lit->at += field->name.size;
		if (!past_equals(lit)) {
			lit->at = begin;
			break;
		}
		if (!read_value(lit, &value, depth, place_below(where, &field->name)) || !past_separator(lit))
			return false;
		put_value(lit, &value, table, field);
	}
	if (!past_blanks(lit))
		return false;
	shape->misses = i == shape->count && *lit->at == '}' ? 0 : shape->misses + 1;
	if (shape->misses == 0) {
		lit->at++;
		return true;
	}
	int model = lua_gettop(L);
	for (size_t k = 0; k < i; k++) {
		push_span(L, &shape->fields[k].name);
		lua_pushvalue(L, -1);
		lua_rawget(L, model);
	}
	lua_remove(L, model);
	*waiting = (int)i;
	return true;
}

static bool read_table(struct literal *lit, int depth, unsigned int where) {
	if (depth > MAX_DEPTH || !lua_checkstack(lit->L, 2 * MAX_WAITING + 20))
		return false;
	struct shape *shape = shape_at(lit, where);
	int base = lua_gettop(lit->L), waiting = 0;
	if (shape == NULL)
		return read_any(lit, NULL, base, 0, depth, where);
	shape->used = true;
	bool alike = shape->model != NULL, ok = !alike || read_alike(lit, shape, &waiting, depth, where);
	if (ok && (!alike || shape->misses > 0))
		ok = read_any(lit, shape, base, waiting, depth, where);
	shape->used = false;
	if (shape->misses > MAX_MISSES) {
		shape->model = NULL;
		shape->misses = 0;
		shape->count = 0;
	}
	return ok;
}

/* ---- the whole ---- */

static bool read_text(struct literal *lit, const char *end) {
	struct reef_literal_span name;
	if (!past_blanks(lit))
		return false;
	lit->at = reef_literal_name(lit->at, &name);
	if (name.size != 6 || memcmp(name.begin, "return", 6) != 0 || !past_blanks(lit) || *lit->at++ != '{' ||
		memchr(lit->at, 0, (size_t)(end - lit->at)) != NULL || !read_table(lit, 1, 0) || !past_blanks(lit))
		return false;
	lit->at += *lit->at == ';';
	return past_blanks(lit) && lit->at == end;
}

bool reef_literal_push(lua_State *L, const char *text, size_t n) {
	int top = lua_gettop(L);
	luaL_checkstack(L, 10, "a literal");
	struct literal lit = {.L = L, .at = text, .keep = top + 1, .longs = top + 2};
	lua_newtable(L);
	lua_newtable(L);
	if (!read_text(&lit, text + n)) {
		lua_settop(L, top);
		return false;
	}
	lua_replace(L, top + 1);
	lua_settop(L, top + 1);
	return true;
}
