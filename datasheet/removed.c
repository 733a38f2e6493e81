/* The metatable of removed rows: see removed.h. */
#include "removed.h"

#include <string.h>

#include <lauxlib.h>

#include "retired.h"

static int removed_row(lua_State *L) {
	char path[256] = "?";
	unsigned tries = 0;
	while (!reef_retired_path(lua_topointer(L, 1), path, sizeof(path)) && reef_retired_ask_again(&tries))
		continue;
	return luaL_error(L, "datasheet: %s was removed by an update", path);
}

static Table *removed_metatable;

static TString *shared_name(lua_State *L, const char *text) {
	union {
		TString string;
		char room[sizeof(TString) + 16];
	} name;
	size_t l = strlen(text);
	memset(&name, 0, sizeof(name));
	name.string.tt = LUA_VSHRSTR;
	name.string.shrlen = cast_byte(l);
	name.string.hash = luaS_hash(text, l, G(L)->seed);
	memcpy(name.string.contents, text, l + 1);
	return reef_row_string(&name.string, true);
}

static bool fill_removed_metatable(lua_State *L, Table *t) {
	static const char *const names[] = {"__index", "__len", "__pairs", "__name"};
	for (int i = 0; i < 4; i++) {
		TValue key, value;
		TString *name = shared_name(L, names[i]);
		if (name == NULL)
			return false;
		setsvalue(L, &key, name);
		setfvalue(&value, removed_row);
		if (i == 3)
			setsvalue(L, &value, name);
		luaH_set(L, t, &key, &value);
	}
	reef_layout_set_flags(L, t, true);
	return true;
}

bool reef_removed_prepare(lua_State *L) {
	static const struct reef_layout layout = {0, 4, 2};
	if (removed_metatable != NULL)
		return true;
	struct reef_row *row = reef_row_new(&layout);
	if (row == NULL)
		return false;
	reef_content_new(row, &layout, &row->table); /* there is room */
	if (!fill_removed_metatable(L, &row->table)) {
		reef_row_retire(row, NULL);
		reef_row_free(row);
		return false;
	}
	reef_row_share(row);
	removed_metatable = &row->table;
	return true;
}

Table *reef_removed_metatable(void) {
	return removed_metatable;
}
