/* See lua_recorded.h. What this service itself switches comes with the answer to its commit. */
#include "lua_recorded.h"

#include <string.h>

#include <lauxlib.h>

#include "core/seam.h"
#include "journal.h"
#include "replayed.h"
#include "sharetable/picture.h"
#include "sheets.h"

static bool recorded_does(struct reef_seam *seam, const char *what, const char *more, const char *bytes, size_t size) {
	struct reef_text text = {0};
	reef_text_add(&text, what, strlen(what));
	reef_text_add(&text, more, strlen(more));
	reef_text_add(&text, bytes, size);
	bool real = seam->act(seam, REEF_SEAM_CALL, &(struct reef_seam_about){.bytes = text.data, .size = text.size});
	reef_text_free(&text);
	return real;
}

/* Sections go to the record, or come from there. */
static void exchange_sections(lua_State *L, struct reef_seam *seam, const struct reef_text *text, bool real) {
	size_t size = text->size;
	const char *bytes = seam->block(seam, REEF_SEAM_RESULT, text->data, &size);
	if (!real && !reef_replayed_apply(L, bytes, size))
		luaL_error(L, "the record has no datasheet here");
}

/* Calls the real function with all that is on the stack; what it looks at is no business of the record. */
static int call_outside(lua_State *L, struct reef_seam *seam, lua_CFunction f) {
	luaL_checkstack(L, 1, NULL);
	lua_pushcfunction(L, f);
	lua_insert(L, 1);
	seam->off++;
	int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
	seam->off--;
	return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

int reef_recorded_sheet(lua_State *L, struct reef_seam *seam, const char *name) {
	bool real = recorded_does(seam, "reef.datasheet.core.query ", name, NULL, 0);
	bool found = real && reef_sheets_query(L, name);
	struct reef_row *root = found ? reef_row_of((Table *)lua_topointer(L, -1)) : NULL;
	uint64_t address = (uint64_t)seam->number(seam, REEF_SEAM_NAME, (int64_t)(uintptr_t)root);
	if (address == 0)
		return 0;
	struct reef_text text = {0};
	if (real)
		reef_journal_meet(seam, &text, root, L);
	exchange_sections(L, seam, &text, real);
	reef_text_free(&text);
	if (real)
		return 1;
	root = reef_replayed_row(address);
	if (root == NULL)
		return luaL_error(L, "the record has no such datasheet");
	reef_replayed_sheet(name, root);
	luaL_checkstack(L, 1, NULL);
	sethvalue2s(L, REEF_TOP(L), &root->table);
	REEF_TOP(L)++;
	return 1;
}

enum { BUSY, PLANNED, REFUSED };

int reef_recorded_plan(lua_State *L, struct reef_seam *seam, const char *how, lua_CFunction plan,
					   void (*stand_in)(lua_State *L)) {
	struct reef_picture picture;
	reef_picture_begin(&picture, L, false);
	picture.compared = true;
	reef_picture_add(&picture, lua_topointer(L, 2));
	bool real = recorded_does(seam, "reef.datasheet.core.plan ", how, picture.text.data, picture.text.size);
	reef_picture_end(&picture);
	int n = real ? call_outside(L, seam, plan) : 0;
	int64_t outcome = seam->number(seam, REEF_SEAM_RESULT, n == 0 ? BUSY : n == 1 ? PLANNED : REFUSED);
	if (outcome == BUSY)
		return 0;
	if (outcome == PLANNED) {
		if (!real)
			stand_in(L);
		return 1;
	}
	const char *why = seam->text(seam, REEF_SEAM_RESULT, real ? lua_tostring(L, -1) : NULL);
	lua_pushboolean(L, 0);
	lua_pushstring(L, why ? why : "");
	return 2;
}

int reef_recorded_commit(lua_State *L, struct reef_seam *seam, lua_CFunction commit) {
	static const char what[] = "reef.datasheet.core.commit";
	bool real = recorded_does(seam, what, "", NULL, 0);
	int n = real ? call_outside(L, seam, commit) : 0;
	int first = lua_gettop(L) - n + 1;
	bool done = seam->number(seam, REEF_SEAM_RESULT, real && lua_toboolean(L, first));
	if (!done) {
		int64_t in_the_way = seam->number(seam, REEF_SEAM_RESULT, n == 2 ? lua_tointeger(L, first + 1) : 0);
		lua_pushboolean(L, 0);
		if (in_the_way == 0)
			return 1;
		lua_pushinteger(L, in_the_way);
		return 2;
	}
	lua_Integer counts[3];
	for (int i = 0; i < 3; i++)
		counts[i] = seam->number(seam, REEF_SEAM_RESULT, real ? lua_tointeger(L, first + 1 + i) : 0);
	struct reef_text text = {0};
	if (real)
		reef_journal_look(seam, &text);
	exchange_sections(L, seam, &text, real);
	reef_text_free(&text);
	lua_pushboolean(L, 1);
	for (int i = 0; i < 3; i++)
		lua_pushinteger(L, counts[i]);
	return 4;
}
