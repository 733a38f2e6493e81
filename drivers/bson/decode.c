/* BSON bytes to Lua tables, in one walk.
 *
 * Each element is checked when the walk reaches it. The walk looks ahead within a document, so that its table is made in
 * the right size at once; the size of a long one is reckoned from its beginning. One that comes after others that may be
 * alike is tried by their model first.
 */
#include "decode.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "core/utf8.h"
#include "decode_scalar.h"
#include "format.h"
#include "keys.h"
#include "models.h"
#include "reader.h"
#include "sharetable/overlay/model.h"
#include "tables.h"
#include "tag.h"
#include "writer.h"

enum {
	/* Elements of a document that are read before they become values: its table is made in the right size at once. */
	AHEAD = 32,
	/* A table is never presized for more than this on the word of bytes not read yet. */
	PRESIZE = 4096,
	/* Longer strings are not compared with those of the document before. */
	REMEMBERED = 256,
};

enum { ARRAY_MT, KEY_STRINGS, OWN_PLACES };

struct decode_step {
	const char *key;
	size_t size;
};

struct decoder {
	lua_State *L;
	unsigned flags;
	int owner; /* on the stack; 0: none */
	int base;  /* of our own places on the stack: what is there, nil, is filled in when it is needed */
	struct reef_bson_keys *keys;
	struct reef_bson_models *models;
	int models_at; /* on the stack */
	int depth;
	struct decode_step path[REEF_BSON_DEPTH + 1];
};

static bool (*take_batch)(lua_State *, const char *, const struct reef_bson_element *, unsigned);

void reef_bson_decode_set_batch(bool (*take)(lua_State *, const char *, const struct reef_bson_element *, unsigned)) {
	take_batch = take;
}

static int decode_failed(struct decoder *d, const char *text) {
	luaL_Buffer b;
	luaL_buffinit(d->L, &b);
	luaL_addstring(&b, "Invalid bson: ");
	luaL_addstring(&b, text);
	int named = 0;
	for (int i = 1; i <= d->depth && i <= REEF_BSON_DEPTH; i++) {
		if (d->path[i].key != NULL) {
			luaL_addstring(&b, named++ == 0 ? " in '" : ".");
			luaL_addlstring(&b, d->path[i].key, d->path[i].size);
		}
	}
	if (named > 0) {
		luaL_addchar(&b, '\'');
	}
	luaL_pushresult(&b);
	if (d->owner != 0) {
		lua_getfield(d->L, d->owner, "fail");
		lua_pushvalue(d->L, d->owner);
		lua_rotate(d->L, -3, -1);
		lua_call(d->L, 2, 1);
	}
	return lua_error(d->L);
}

/* ---- documents and arrays ---- */

/* `model` is a place in the set of models; REEF_BSON_NO_MODEL: none. */
static void decode_document(struct decoder *d, const uint8_t *data, size_t size, int model);
static void decode_array(struct decoder *d, const uint8_t *data, size_t size, int model);

/* Was the array that comes here taken by who knows batches? */
static bool push_batch(const struct decoder *d, const struct reef_bson_element *e) {
	return (d->flags & REEF_BSON_BATCHES) != 0 && d->depth == 2 && take_batch != NULL &&
		   take_batch(d->L, d->path[1].key, e, d->flags & ~(unsigned)REEF_BSON_BATCHES);
}

/* `model` is that of a document, or of those in an array. */
static void decode_value(struct decoder *d, const struct reef_bson_element *e, int model) {
	if (e->type == REEF_BSON_DOCUMENT) {
		decode_document(d, e->value, e->value_size, model);
	} else if (e->type == REEF_BSON_ARRAY) {
		if (!push_batch(d, e)) {
			decode_array(d, e->value, e->value_size, model);
		}
	} else {
		reef_bson_decode_scalar(d->L, e, d->flags);
	}
}

static void decode_enter(struct decoder *d, struct reef_bson_reader *r, const uint8_t *data, size_t size) {
	if (!reef_bson_reader_open(r, data, size, d->depth + 1)) {
		decode_failed(d, r->error);
	}
	d->depth++;
	d->path[d->depth].key = NULL;
	luaL_checkstack(d->L, 8, "bson");
}

static void set_place(struct decoder *d, const struct reef_bson_element *e) {
	d->path[d->depth] = (struct decode_step){e->key, e->key_size};
}

/* The next elements, at most AHEAD: how many. Keys are not checked. */
static int look_ahead(struct decoder *d, struct reef_bson_reader *r, struct reef_bson_element *e) {
	int n = 0, more = 1;
	while (n < AHEAD && (more = reef_bson_reader_next_value(r, &e[n])) > 0) {
		n++;
	}
	if (more < 0) {
		set_place(d, &e[n]);
		decode_failed(d, r->error);
	}
	return n;
}

/* How many elements there will be when the first `n` took the bytes up to here. */
static int expect(const struct reef_bson_reader *r, const uint8_t *data, int n) {
	if (r->at == r->end) {
		return n;
	}
	size_t used = (size_t)(r->at - data);
	size_t more = (size_t)(r->end - r->at) / (used / (size_t)n);
	return n + (int)(more < PRESIZE ? more : PRESIZE);
}

static void push_key(struct decoder *d, const struct reef_bson_reader *r, const struct reef_bson_element *e) {
	if (d->keys == NULL) {
		d->keys = reef_bson_keys_push(d->L);
		lua_replace(d->L, d->base + KEY_STRINGS);
	}
	if (!reef_bson_keys_push_key(d->L, d->keys, d->base + KEY_STRINGS, e->key, e->key_size,
								 (size_t)((const char *)r->end - e->key))) {
		decode_failed(d, REEF_BSON_BAD_KEY);
	}
}

/* Notes the key on top of the stack as the document's n-th, which must be new. */
static void note_key(struct decoder *d, int document, lua_Integer n) {
	lua_State *L = d->L;
	lua_pushvalue(L, -1);
	if (lua_rawget(L, document) != LUA_TNIL) {
		decode_failed(d, "duplicate key");
	}
	lua_pop(L, 1);
	lua_pushvalue(L, -1);
	lua_rawseti(L, document + 1, n);
}

/* A string into its place, unless the document before had the same there: then it is in it already. */
static void put_string(struct decoder *d, const struct reef_bson_model *model, const struct reef_bson_field *f,
					   const void *table, const struct reef_bson_element *e) {
	lua_State *L = d->L;
	if (reef_model_has(table, f->place, (const char *)e->value + 4, e->value_size - 5)) {
		return;
	}
	reef_bson_decode_string(L, e, d->flags);
	if (e->value_size <= REMEMBERED + 5) {
		lua_pushvalue(L, -1);
		reef_model_put(L, model->table, f->place);
	}
	reef_model_put(L, table, f->place);
}

/* Pushes the document's table, as far as it is like the model: whether that was to the end. The reader is then at what is
 * not. */
static bool decode_by_model(struct decoder *d, struct reef_bson_reader *r, const struct reef_bson_model *model) {
	struct reef_bson_element e;
	int done = 0, found = 1;
	const void *table = reef_model_push(d->L, model->table);
	for (; done < model->count; done++) {
		const struct reef_bson_field *f = &model->fields[done];
		found = reef_bson_reader_next_named(r, f->key, f->key_size, &e);
		if (found <= 0) {
			break;
		}
		if (e.type == REEF_BSON_STRING) {
			put_string(d, model, f, table, &e);
		} else {
			set_place(d, &e);
			decode_value(d, &e, f->inner);
			reef_model_put(d->L, table, f->place);
		}
	}
	if (found < 0) {
		set_place(d, &e);
		decode_failed(d, r->error);
	}
	for (int i = done; i < model->count; i++) {
		reef_model_clear(table, model->fields[i].place);
	}
	return done == model->count && r->at == r->end;
}

/* The elements that are left, into the table. */
static void decode_fields(struct decoder *d, struct reef_bson_reader *r, struct reef_bson_element *e, int n,
						  int table) {
	bool exact = (d->flags & REEF_BSON_EXACT) != 0;
	for (lua_Integer done = 0; n > 0; n = look_ahead(d, r, e)) {
		for (int i = 0; i < n; i++) {
			set_place(d, &e[i]);
			push_key(d, r, &e[i]);
			if (exact) {
				note_key(d, table, ++done);
			}
			decode_value(d, &e[i], REEF_BSON_NO_MODEL);
			lua_rawset(d->L, table);
		}
	}
}

static void decode_any(struct decoder *d, struct reef_bson_reader *r, const uint8_t *data) {
	lua_State *L = d->L;
	bool exact = (d->flags & REEF_BSON_EXACT) != 0;
	struct reef_bson_element e[AHEAD];
	int table = lua_gettop(L) + 1;
	int n = look_ahead(d, r, e);
	int expected = expect(r, data, n);
	lua_createtable(L, 0, expected + (exact ? 1 : 0));
	if (exact) {
		lua_createtable(L, expected, 0);
	}
	decode_fields(d, r, e, n, table);
	if (exact) {
		lua_rawsetp(L, table, &reef_bson_tables_order);
		reef_bson_tables_push_document_mt(L);
		lua_setmetatable(L, table);
	}
}

static void decode_rest(struct decoder *d, struct reef_bson_reader *r) {
	struct reef_bson_element e[AHEAD];
	int table = lua_gettop(d->L);
	int n = look_ahead(d, r, e);
	decode_fields(d, r, e, n, table);
}

static void decode_document(struct decoder *d, const uint8_t *data, size_t size, int place) {
	struct reef_bson_reader r;
	bool modelled = place != REEF_BSON_NO_MODEL && d->models != NULL;
	const struct reef_bson_model *model = modelled ? reef_bson_models_get(d->models, place) : NULL;
	decode_enter(d, &r, data, size);
	if (model != NULL) {
		bool fitted = decode_by_model(d, &r, model);
		if (!fitted) {
			decode_rest(d, &r);
		}
		reef_bson_models_tried(d->models, place, fitted);
	} else {
		decode_any(d, &r, data);
	}
	if (modelled && reef_bson_models_wants(d->models, place)) {
		reef_bson_models_learn(d->L, d->models_at, place, data, size);
	}
	d->depth--;
}

static void decode_array(struct decoder *d, const uint8_t *data, size_t size, int model) {
	lua_State *L = d->L;
	struct reef_bson_reader r;
	struct reef_bson_element e[AHEAD];
	decode_enter(d, &r, data, size);
	int table = lua_gettop(L) + 1;
	int n = look_ahead(d, &r, e);
	lua_createtable(L, expect(&r, data, n), 0);
	for (lua_Integer done = 0; n > 0; n = look_ahead(d, &r, e)) {
		for (int i = 0; i < n; i++) {
			set_place(d, &e[i]);
			if (!reef_utf8_valid(e[i].key, e[i].key_size)) {
				decode_failed(d, REEF_BSON_BAD_KEY);
			}
			decode_value(d, &e[i], e[i].type == REEF_BSON_DOCUMENT ? model : REEF_BSON_NO_MODEL);
			lua_rawseti(L, table, ++done);
		}
	}
	if (lua_isnil(L, d->base + ARRAY_MT)) {
		reef_bson_tables_push_array_mt(L);
		lua_replace(L, d->base + ARRAY_MT);
	}
	lua_pushvalue(L, d->base + ARRAY_MT);
	lua_setmetatable(L, table);
	d->depth--;
}

void reef_bson_decode(lua_State *L, const uint8_t *data, size_t size, unsigned flags) {
	reef_bson_decode_alike(L, data, size, flags, 0, 0);
}

void reef_bson_decode_alike(lua_State *L, const uint8_t *data, size_t size, unsigned flags, int owner, int models) {
	struct decoder d;
	d.L = L;
	d.flags = flags;
	d.owner = owner;
	d.depth = 0;
	d.keys = NULL;
	luaL_checkstack(L, 8, "bson");
	d.models = models != 0 && (flags & REEF_BSON_EXACT) == 0 ? reef_bson_models_enter(L, models) : NULL;
	d.models_at = models;
	d.base = lua_gettop(L) + 1;
	lua_settop(L, d.base + OWN_PLACES - 1);
	decode_document(&d, data, size, REEF_BSON_FIRST_MODEL);
	if (d.models != NULL) {
		reef_bson_models_leave(d.models);
	}
	lua_copy(L, -1, d.base);
	lua_settop(L, d.base);
}
