/* Any bytes as a document, any text as extended JSON: refused, or the same after going through Lua and through text. */
#include "drivers/bson/decode.h"
#include "drivers/bson/encode.h"
#include "drivers/bson/json_read.h"
#include "drivers/bson/json_write.h"
#include "drivers/bson/lua_bson.h"
#include "drivers/bson/lua_writer.h"
#include "drivers/bson/reader.h"

#include <bson/bson.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

static lua_State *L;

static void require(bool condition) {
	if (!condition) {
		abort();
	}
}

static int to_lua_and_back(lua_State *state) {
	const uint8_t *data = lua_touserdata(state, 1);
	size_t size = (size_t)lua_tointeger(state, 2);
	unsigned flags = (unsigned)lua_tointeger(state, 3);
	struct reef_writer *w = reef_lua_writer_borrow(state, REEF_BSON_SIZE);
	reef_bson_decode(state, data, size, flags);
	reef_bson_encode(state, -1, w, REEF_BSON_ANYTHING);
	require(reef_bson_reader_check(w->data, w->size, 1) == NULL);
	reef_lua_writer_return(state, 4);
	return 0;
}

static bool through_lua(const uint8_t *data, size_t size, unsigned flags) {
	lua_settop(L, 0);
	lua_pushcfunction(L, to_lua_and_back);
	lua_pushlightuserdata(L, (void *)(uintptr_t)data);
	lua_pushinteger(L, (lua_Integer)size);
	lua_pushinteger(L, flags);
	return lua_pcall(L, 3, 0, 0) == LUA_OK;
}

/* Text made from a document reads back, and then text and document stay as they are. */
static void through_json(const uint8_t *data, size_t size) {
	struct reef_writer text[2], document[2];
	struct reef_json_error error;
	for (int i = 0; i < 2; i++) {
		reef_writer_init(&text[i], REEF_BSON_SIZE);
		reef_writer_init(&document[i], REEF_BSON_SIZE);
		require(reef_json_write(&text[i], data, size, true));
		require(reef_json_read(&document[i], (const char *)text[i].data, text[i].size, &error));
		data = document[i].data;
		size = document[i].size;
		require(reef_bson_reader_check(data, size, 1) == NULL);
	}
	require(document[0].size == document[1].size);
	require(memcmp(document[0].data, document[1].data, document[0].size) == 0);
	for (int i = 0; i < 2; i++) {
		reef_writer_fini(&text[i]);
		reef_writer_fini(&document[i]);
	}
}

static void try_document(const uint8_t *data, size_t size) {
	bson_t b;
	if (reef_bson_reader_check(data, size, 1) != NULL) {
		require(!through_lua(data, size, 0));
		return;
	}
	require(bson_init_static(&b, data, size) && bson_validate(&b, BSON_VALIDATE_NONE, NULL));
	through_lua(data, size, 0);
	through_lua(data, size, REEF_BSON_EXACT);
	through_json(data, size);
}

static void try_text(const char *text, size_t size) {
	struct reef_writer w;
	struct reef_json_error error;
	reef_writer_init(&w, REEF_BSON_SIZE);
	if (reef_json_read(&w, text, size, &error)) {
		require(reef_bson_reader_check(w.data, w.size, 1) == NULL);
		through_json(w.data, w.size);
	}
	reef_writer_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (L == NULL) {
		L = luaL_newstate();
		luaL_requiref(L, "bson", reef_lua_bson_open, 0);
	}
	try_document(data, size);
	try_text((const char *)data, size);
	lua_settop(L, 0);
	return 0;
}
