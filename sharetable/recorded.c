/* See recorded.h. Which version of a name has been recorded last is noted in the VM's registry. */
#include "recorded.h"

#include <string.h>

#include <lauxlib.h>

#include "core/seam.h"
#include "picture.h"
#include "snapshot.h"
#include "versions.h"

#define RECORDED "reef.sharetable.recorded"

static bool recorded_act(struct reef_seam *seam, const char *what, const char *bytes, size_t size) {
	struct reef_text text = {0};
	reef_text_add(&text, what, strlen(what));
	reef_text_add(&text, " ", 1);
	reef_text_add(&text, bytes, size);
	bool real = seam->act(seam, REEF_SEAM_CALL, &(struct reef_seam_about){.bytes = text.data, .size = text.size});
	reef_text_free(&text);
	return real;
}

static uint64_t known_of(lua_State *L, const char *name) {
	luaL_getsubtable(L, LUA_REGISTRYINDEX, RECORDED);
	lua_getfield(L, -1, name);
	uint64_t known = (uint64_t)lua_tointeger(L, -1);
	lua_pop(L, 2);
	return known;
}

static void note_known(lua_State *L, const char *name, uint64_t number) {
	luaL_getsubtable(L, LUA_REGISTRYINDEX, RECORDED);
	lua_pushinteger(L, (lua_Integer)number);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

/* The table on top goes to the record. */
static void put_picture(lua_State *L, struct reef_seam *seam) {
	struct reef_picture picture;
	reef_picture_begin(&picture, L, false);
	reef_picture_add(&picture, lua_topointer(L, -1));
	if (picture.failed)
		seam->cannot(seam, "a shared table for which there is not enough memory");
	else if (picture.cannot)
		seam->cannot(seam, "a shared table with a function");
	size_t size = picture.text.size;
	(void)seam->block(seam, REEF_SEAM_STATE, picture.text.data, &size);
	reef_picture_end(&picture);
}

static void publish_picture(lua_State *L, struct reef_seam *seam, const char *name) {
	char why[256];
	size_t size = 0;
	const char *bytes = seam->block(seam, REEF_SEAM_STATE, NULL, &size);
	if (!reef_picture_push(L, bytes, size))
		luaL_error(L, "the record has no table here");
	struct reef_snapshot *snapshot = reef_snapshot_table(L, -1, name, why, sizeof(why));
	if (snapshot == NULL || !reef_versions_publish(snapshot))
		luaL_error(L, "the table of the record cannot be shared");
	lua_pop(L, 1);
}

/* The version that the service holds now, or is to hold, is in the record. False: there is none. */
static bool meet(lua_State *L, struct reef_seam *seam, const char *name, bool real) {
	uint64_t number = 0, known = known_of(L, name);
	bool held = real && reef_versions_held(L, name, &number);
	number = (uint64_t)seam->number(seam, REEF_SEAM_STATE, (int64_t)number);
	if (number != 0 && number != known) {
		real ? put_picture(L, seam) : publish_picture(L, seam, name);
		note_known(L, name, number);
	}
	if (held)
		lua_pop(L, 1);
	return number != 0;
}

int reef_recorded_query(lua_State *L, struct reef_seam *seam, const char *name) {
	bool real = recorded_act(seam, "reef.sharetable.query", name, strlen(name));
	bool found = real && reef_versions_query(L, name);
	/* What the service holds of a name may be older than what there is: of none there is nothing. */
	bool there = found || !real ? meet(L, seam, name, real) : seam->number(seam, REEF_SEAM_STATE, 0) != 0;
	if (!found && !(there && reef_versions_query(L, name)))
		lua_pushnil(L);
	return 1;
}

void reef_recorded_update(lua_State *L, struct reef_seam *seam, const char *name) {
	bool real = recorded_act(seam, "reef.sharetable.update", name, strlen(name));
	if (!real)
		(void)meet(L, seam, name, false);
	seam->off++;
	bool updated = reef_versions_update(L, name);
	seam->off--;
	if (!updated)
		luaL_error(L, "sharetable.update '%s': not enough memory", name);
	if (real)
		(void)meet(L, seam, name, true);
}

bool reef_recorded_freeze(lua_State *L, struct reef_seam *seam) {
	struct reef_picture picture;
	reef_picture_begin(&picture, L, false);
	picture.compared = true;
	reef_picture_add(&picture, lua_topointer(L, -1));
	bool real = recorded_act(seam, "reef.sharetable.freeze", picture.text.data, picture.text.size);
	reef_picture_end(&picture);
	return real;
}
