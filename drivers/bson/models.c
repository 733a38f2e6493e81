/* See models.h. The userdatum's uservalue keeps of each place the table under 2n + 1 and the model, which is a userdatum,
 * under 2n + 2. */
#include "models.h"

#include <string.h>

#include "format.h"
#include "sharetable/overlay/model.h"

enum {
	MOST_MODELS = 16,
	MOST_FIELDS = 256,
	/* A longer key is no short string of Lua. */
	LONGEST_KEY = 40,
	/* What a place has to go wrong with, what it may gather, and what learning and a document that goes another way cost. A
	 * document that fits gives one. */
	FIRST_CREDIT = 16,
	MOST_CREDIT = 64,
	LEARNING = 4,
	MISS = 2,
};

struct place {
	struct reef_bson_model *model;
	int credit;
	int misses; /* in a row */
};

struct reef_bson_models {
	bool busy;
	int used;
	struct place places[MOST_MODELS];
};

static void add_place(struct reef_bson_models *models) {
	models->places[models->used++] = (struct place){.credit = FIRST_CREDIT};
}

void reef_bson_models_push(lua_State *L) {
	struct reef_bson_models *models = lua_newuserdatauv(L, sizeof(*models), 1);
	models->busy = false;
	models->used = 0;
	add_place(models);
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
}

struct reef_bson_models *reef_bson_models_enter(lua_State *L, int index) {
	struct reef_bson_models *models = lua_touserdata(L, index);
	bool was_busy = models->busy;
	models->busy = true;
	return was_busy ? NULL : models;
}

void reef_bson_models_leave(struct reef_bson_models *models) {
	models->busy = false;
}

const struct reef_bson_model *reef_bson_models_get(const struct reef_bson_models *models, int place) {
	const struct place *p = &models->places[place];
	return p->credit > 0 ? p->model : NULL;
}

void reef_bson_models_tried(struct reef_bson_models *models, int place, bool fitted) {
	struct place *p = &models->places[place];
	if (!fitted) {
		p->credit -= MISS;
		p->misses++;
	} else {
		p->credit += p->credit < MOST_CREDIT;
		p->misses = 0;
	}
}

bool reef_bson_models_wants(const struct reef_bson_models *models, int place) {
	const struct place *p = &models->places[place];
	return p->credit > 0 && (p->model == NULL || p->misses >= 2);
}

/* How many elements the document has, and the bytes of their keys with the NULs. False: a model cannot have them. */
static bool size_up(const uint8_t *data, size_t size, int *count, size_t *bytes) {
	struct reef_bson_reader r;
	struct reef_bson_element e;
	*count = 0;
	*bytes = 0;
	reef_bson_reader_open(&r, data, size, 1);
	while (reef_bson_reader_next_value(&r, &e) > 0) {
		if (++*count > MOST_FIELDS || e.key_size > LONGEST_KEY)
			return false;
		*bytes += e.key_size + 1;
	}
	return *count > 0;
}

/* Adds the element's key to the table on top of the stack. False: it has it already. */
static bool add_key(lua_State *L, const struct reef_bson_element *e) {
	lua_pushlstring(L, e->key, e->key_size);
	lua_pushvalue(L, -1);
	bool is_new = lua_rawget(L, -3) == LUA_TNIL;
	lua_pop(L, 1);
	lua_pushboolean(L, false);
	lua_rawset(L, -3);
	return is_new;
}

static bool add_keys(lua_State *L, const uint8_t *data, size_t size) {
	struct reef_bson_reader r;
	struct reef_bson_element e;
	bool all_new = true;
	reef_bson_reader_open(&r, data, size, 1);
	while (all_new && reef_bson_reader_next_value(&r, &e) > 0)
		all_new = add_key(L, &e);
	return all_new;
}

static void read_fields(lua_State *L, struct reef_bson_models *models, struct reef_bson_model *model, char *keys,
						const uint8_t *data, size_t size) {
	struct reef_bson_reader r;
	struct reef_bson_element e;
	reef_bson_reader_open(&r, data, size, 1);
	while (reef_bson_reader_next_value(&r, &e) > 0) {
		struct reef_bson_field *f = &model->fields[model->count++];
		bool has_inner = e.type == REEF_BSON_DOCUMENT || e.type == REEF_BSON_ARRAY;
		lua_pushlstring(L, e.key, e.key_size);
		*f = (struct reef_bson_field){keys, (uint32_t)e.key_size, reef_model_place(L, model->table),
									  REEF_BSON_NO_MODEL};
		lua_pop(L, 1);
		memcpy(keys, e.key, e.key_size + 1);
		keys += e.key_size + 1;
		if (has_inner && models->used < MOST_MODELS) {
			f->inner = models->used;
			add_place(models);
		}
	}
}

void reef_bson_models_learn(lua_State *L, int index, int place, const uint8_t *data, size_t size) {
	struct reef_bson_models *models = lua_touserdata(L, index);
	struct place *p = &models->places[place];
	int count, top = lua_gettop(L);
	size_t bytes;
	p->credit -= LEARNING;
	p->misses = 0;
	p->model = NULL;
	lua_getiuservalue(L, index, 1);
	if (size_up(data, size, &count, &bytes)) {
		lua_createtable(L, 0, count);
		if (add_keys(L, data, size)) {
			struct reef_bson_model *model =
					lua_newuserdatauv(L, sizeof(*model) + (size_t)count * sizeof(struct reef_bson_field) + bytes, 0);
			model->table = lua_topointer(L, top + 2);
			model->count = 0;
			lua_rawseti(L, top + 1, 2 * place + 2);
			lua_rawseti(L, top + 1, 2 * place + 1);
			read_fields(L, models, model, (char *)&model->fields[count], data, size);
			p->model = model;
		} else {
			p->credit = 0;
		}
	} else {
		p->credit = 0;
	}
	lua_settop(L, top);
}
