/* See batch.h. */
#include "batch.h"

#include <string.h>

#include <lauxlib.h>

#include "drivers/bson/decode.h"
#include "drivers/bson/format.h"
#include "drivers/bson/lua_writer.h"
#include "drivers/bson/models.h"
#include "drivers/bson/writer.h"

#define BATCH "reef.mongo.documents"

/* A larger batch has its bytes outside of Lua's heap, and gives them back with its last document: else the collector would
 * be hurried by them, and they would be garbage that has grown old. */
enum { MOST_INSIDE = 4096 };

enum { MODELS = 1, WRITER, VALUES = 2 };

struct batch {
	struct reef_bson_reader reader;
	unsigned flags;
	unsigned readers;     /* calls of `next`: a finalizer may call it, too. One that has raised counts for ever */
	const uint8_t *bytes; /* in `inside`, or in the writer that is the second uservalue; NULL: given back */
	uint8_t inside[];
};

/* The first argument; the upvalue is the metatable of batches. */
static struct batch *check_batch(lua_State *L) {
	struct batch *batch = lua_touserdata(L, 1);
	if (batch == NULL || !lua_getmetatable(L, 1) || lua_topointer(L, -1) != lua_topointer(L, lua_upvalueindex(1))) {
		luaL_typeerror(L, 1, BATCH);
	}
	lua_pop(L, 1);
	return batch;
}

static int batch_more(lua_State *L) {
	const struct batch *batch = check_batch(L);
	lua_pushboolean(L, batch->reader.at != batch->reader.end);
	return 1;
}

/* Raises, through owner:batch_failed(text) if there is an owner. */
static void batch_failed(lua_State *L, const char *why, int owner) {
	if (owner != 0) {
		lua_getfield(L, owner, "fail");
		lua_pushvalue(L, owner);
		lua_pushfstring(L, "Invalid bson: %s", why);
		lua_call(L, 2, 0);
	}
	luaL_error(L, "Invalid bson: %s", why);
}

/* Pushes the models of the batch, unless there is but one document: whether it did. */
static bool push_models(lua_State *L, const struct reef_bson_reader *reader) {
	if (lua_getiuservalue(L, 1, MODELS) != LUA_TNIL) {
		return true;
	}
	lua_pop(L, 1);
	if (reader->at == reader->end) {
		return false;
	}
	reef_bson_models_push(L);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, MODELS);
	return true;
}

/* Pushes the next document, or nil. `owner` as for reef_bson_decode_alike, or 0. */
static void push_next(lua_State *L, struct reef_bson_reader *reader, unsigned flags, int owner) {
	struct reef_bson_element e;
	int found = reef_bson_reader_next(reader, &e);
	if (found < 0) {
		/* There is nothing behind it. */
		reader->at = reader->end;
		batch_failed(L, reader->error, owner);
	} else if (found == 0) {
		lua_pushnil(L);
	} else if (e.type == REEF_BSON_DOCUMENT) {
		int models = push_models(L, reader) ? lua_gettop(L) : 0;
		reef_bson_decode_alike(L, e.value, e.value_size, flags, owner, models);
	} else {
		batch_failed(L, "a batch with something that is no document", owner);
	}
}

static void give_back(lua_State *L, struct batch *batch) {
	batch->bytes = NULL;
	if (lua_getiuservalue(L, 1, WRITER) != LUA_TNIL) {
		reef_lua_writer_return(L, lua_gettop(L));
	}
	lua_pop(L, 1);
}

static int batch_next(lua_State *L) {
	struct batch *batch = check_batch(L);
	batch->readers++;
	push_next(L, &batch->reader, batch->flags, lua_isnoneornil(L, 2) ? 0 : 2);
	batch->readers--;
	if (batch->readers == 0 && batch->reader.at == batch->reader.end && batch->bytes != NULL) {
		give_back(L, batch);
	}
	return 1;
}

static bool batch_open(struct reef_bson_reader *reader, const struct batch *batch) {
	return reef_bson_reader_open(reader, batch->bytes, reef_get32(batch->bytes), 1);
}

static int batch_all(lua_State *L) {
	const struct batch *batch = check_batch(L);
	struct reef_bson_reader reader;
	lua_settop(L, 1);
	lua_newtable(L);
	if (batch->bytes == NULL || !batch_open(&reader, batch)) {
		return 1;
	}
	for (lua_Integer i = 1; reader.at != reader.end; i++) {
		push_next(L, &reader, batch->flags, 0);
		lua_rawseti(L, 2, i);
		lua_settop(L, 2);
	}
	return 1;
}

static void push_metatable(lua_State *L) {
	static const luaL_Reg methods[] = {{"more", batch_more}, {"next", batch_next}, {"all", batch_all}, {NULL, NULL}};
	if (!luaL_newmetatable(L, BATCH)) {
		return;
	}
	lua_newtable(L);
	lua_pushvalue(L, -2);
	luaL_setfuncs(L, methods, 1);
	lua_setfield(L, -2, "__index");
}

void reef_mongo_batch_push_next(lua_State *L) {
	push_metatable(L);
	lua_getfield(L, -1, "__index");
	lua_getfield(L, -1, "next");
	lua_replace(L, -3);
	lua_pop(L, 1);
}

bool reef_mongo_batch_take(lua_State *L, const char *parent, const struct reef_bson_element *array, unsigned flags) {
	if (strcmp(parent, "cursor") != 0 ||
		(strcmp(array->key, "firstBatch") != 0 && strcmp(array->key, "nextBatch") != 0)) {
		return false;
	}
	bool is_inside = array->value_size <= MOST_INSIDE;
	struct batch *batch = lua_newuserdatauv(L, sizeof(*batch) + (is_inside ? array->value_size : 0), VALUES);
	batch->flags = flags;
	batch->readers = 0;
	if (is_inside) {
		batch->bytes = memcpy(batch->inside, array->value, array->value_size);
	} else {
		struct reef_writer *w = reef_lua_writer_borrow(L, REEF_BSON_SIZE);
		if (!reef_writer_bytes(w, array->value, array->value_size)) {
			luaL_error(L, "Invalid bson: no memory for a batch");
		}
		batch->bytes = w->data;
		lua_setiuservalue(L, -2, WRITER);
	}
	if (!batch_open(&batch->reader, batch)) {
		luaL_error(L, "Invalid bson: %s", batch->reader.error);
	}
	push_metatable(L);
	lua_setmetatable(L, -2);
	return true;
}
