/* See batch.h. */
#include "batch.h"

#include <string.h>

#include <lauxlib.h>

#include "drivers/bson/decode.h"
#include "drivers/bson/format.h"
#include "drivers/bson/writer.h"

#define BATCH "reef.mongo.documents"

struct batch {
	struct reef_bson_reader reader;
	unsigned flags;
	uint8_t bytes[];
};

static struct batch *check_batch(lua_State *L) {
	return luaL_checkudata(L, 1, BATCH);
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

/* Pushes the next document, or nil. `owner` as for reef_bson_decode_for, or 0. */
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
		reef_bson_decode_for(L, e.value, e.value_size, flags, owner);
	} else {
		batch_failed(L, "a batch with something that is no document", owner);
	}
}

static int batch_next(lua_State *L) {
	struct batch *batch = check_batch(L);
	push_next(L, &batch->reader, batch->flags, lua_isnoneornil(L, 2) ? 0 : 2);
	return 1;
}

static bool batch_open(struct reef_bson_reader *reader, const struct batch *batch) {
	return reef_bson_reader_open(reader, batch->bytes, reef_get32(batch->bytes), 1);
}

static int batch_all(lua_State *L) {
	const struct batch *batch = check_batch(L);
	struct reef_bson_reader reader;
	batch_open(&reader, batch);
	lua_newtable(L);
	for (lua_Integer i = 1; reader.at != reader.end; i++) {
		push_next(L, &reader, batch->flags, 0);
		lua_rawseti(L, 2, i);
	}
	return 1;
}

bool reef_mongo_batch_take(lua_State *L, const char *parent, const struct reef_bson_element *array, unsigned flags) {
	if (strcmp(parent, "cursor") != 0 ||
		(strcmp(array->key, "firstBatch") != 0 && strcmp(array->key, "nextBatch") != 0)) {
		return false;
	}
	struct batch *batch = lua_newuserdatauv(L, sizeof(*batch) + array->value_size, 0);
	memcpy(batch->bytes, array->value, array->value_size);
	batch->flags = flags;
	if (!batch_open(&batch->reader, batch)) {
		luaL_error(L, "Invalid bson: %s", batch->reader.error);
	}
	if (luaL_newmetatable(L, BATCH)) {
		static const luaL_Reg methods[] = {
				{"more", batch_more}, {"next", batch_next}, {"all", batch_all}, {NULL, NULL}};
		luaL_newlib(L, methods);
		lua_setfield(L, -2, "__index");
	}
	lua_setmetatable(L, -2);
	return true;
}
