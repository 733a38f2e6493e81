/* Whatever the bytes of a record say of shared tables and of datasheets, tables are made of them that can be read, and that
 * have a picture again; or none are. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "core/alloc.h"
#include "core/array.h"
#include "datasheet/journal.h"
#include "datasheet/replayed.h"
#include "datasheet/retired.h"
#include "datasheet/sheets.h"
#include "sharetable/picture.h"
#include "sharetable/snapshot.h"

struct input {
	const char *bytes;
	size_t size;
	struct REEF_ARRAY(uint64_t) ids; /* of tables that are rows, perhaps */
};

static void note_tables(struct input *input, const char *bytes, size_t size) {
	struct reef_picture_reader from = {bytes, bytes + size};
	struct reef_pictured table;
	while (reef_picture_get_table(&from, &table)) {
		uint64_t *place = reef_array_add(&input->ids);
		*place = table.id;
		if (!reef_picture_skip(&from, &table))
			return;
	}
}

static void note_sections(struct input *input) {
	struct reef_picture_reader from = {input->bytes, input->bytes + input->size};
	while (from.at < from.end) {
		bool rows = *from.at++ == REEF_JOURNAL_ROWS;
		uint64_t address;
		const char *bytes;
		size_t size;
		if ((!rows && !reef_picture_get_number(&from, &address)) || !reef_picture_get_bytes(&from, &bytes, &size))
			return;
		if (rows)
			note_tables(input, bytes, size);
	}
}

/* Reads all entries of the table on top, and finds each again. */
static void read_table(lua_State *L) {
	int t = lua_gettop(L);
	luaL_checkstack(L, 8, NULL);
	for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_rawget(L, t);
		assert(lua_rawequal(L, -1, -2) || lua_tonumber(L, -1) != lua_tonumber(L, -1));
		lua_pop(L, 1);
		if (lua_type(L, -1) == LUA_TSTRING)
			(void)strlen(lua_tostring(L, -1));
		else if (lua_istable(L, -1))
			(void)lua_rawlen(L, -1);
	}
}

static int as_picture(lua_State *L) {
	struct input *input = lua_touserdata(L, 1);
	if (!reef_picture_push(L, input->bytes, input->size))
		return 0;
	read_table(L);
	struct reef_picture picture;
	reef_picture_begin(&picture, L, false);
	reef_picture_add(&picture, lua_topointer(L, -1));
	assert(picture.cannot == NULL && !picture.failed);
	bool again = reef_picture_push(L, picture.text.data, picture.text.size);
	reef_picture_end(&picture);
	assert(again);
	char why[256];
	struct reef_snapshot *snapshot = reef_snapshot_table(L, -1, "fuzzed", why, sizeof(why));
	if (snapshot)
		reef_snapshot_delete(snapshot);
	return 0;
}

static int as_sections(lua_State *L) {
	struct input *input = lua_touserdata(L, 1);
	(void)reef_replayed_apply(L, input->bytes, input->size);
	note_sections(input);
	for (size_t i = 0; i < input->ids.count; i++) {
		struct reef_row *row = reef_replayed_row(input->ids.items[i]);
		if (row == NULL)
			continue;
		reef_replayed_sheet(i == 0 ? "items" : "monsters", row);
		luaL_checkstack(L, 1, NULL);
		sethvalue2s(L, REEF_TOP(L), &row->table);
		REEF_TOP(L)++;
		read_table(L);
		lua_pop(L, 1);
	}
	return 0;
}

/* Nothing is left for the next input. */
static int forget(lua_State *L) {
	struct input *input = lua_touserdata(L, 1);
	struct reef_sheet *sheet;
	for (size_t i = 0; i < input->ids.count; i++) {
		struct reef_text text = {0};
		char what = REEF_JOURNAL_DELETED;
		reef_text_add(&text, &what, 1);
		reef_picture_put_number(&text, input->ids.items[i]);
		reef_picture_put_bytes(&text, "items", 5);
		assert(reef_replayed_apply(L, text.data, text.size));
		assert(reef_replayed_row(input->ids.items[i]) == NULL);
		reef_text_free(&text);
	}
	while ((sheet = reef_sheets_find("items")) || (sheet = reef_sheets_find("monsters"))) {
		reef_sheets_remove(sheet);
		reef_free(sheet);
	}
	return 0;
}

static void with(struct input *input, lua_CFunction f) {
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	lua_pushcfunction(L, f);
	lua_pushlightuserdata(L, input);
	(void)lua_pcall(L, 1, 0, 0);
	lua_close(L);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static bool set_up;
	if (!set_up) {
		reef_sheets_setup();
		reef_replayed_setup();
		set_up = true;
	}
	/* In a block of its own, so that a byte too far is noticed. */
	char *bytes = malloc(size > 0 ? size : 1);
	if (size > 0)
		memcpy(bytes, data, size);
	struct input input = {.bytes = bytes, .size = size};
	with(&input, as_picture);
	with(&input, as_sections);
	with(&input, forget);
	reef_retired_collect(true);
	reef_array_fini(&input.ids);
	free(bytes);
	return 0;
}
