/* See tape.h. */
#include "tape.h"

#include <string.h>

#include <lauxlib.h>

#include "core/chance.h"
#include "core/clock.h"
#include "core/host/host.h"
#include "core/slice.h"
#include "core/text.h"
#include "values.h"

struct reef_tape *reef_tape_of(lua_State *L) {
	lua_getfield(L, LUA_REGISTRYINDEX, "reef.record");
	struct reef_tape *tape = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return tape;
}

/* ---- functions whose results are recorded ---- */

/* call(name, f, ...) */
static int tape_call(lua_State *L) {
	struct reef_tape *tape = reef_tape_of(L);
	struct reef_seam *seam = &tape->host.seam;
	struct reef_text text = {0};
	const char *name = luaL_checkstring(L, 1), *bytes;
	reef_text_add(&text, name, strlen(name));
	(void)reef_values_add(&text, L, 3);
	bool real = seam->act(seam, REEF_SEAM_CALL, &(struct reef_seam_about){.bytes = text.data, .size = text.size});
	reef_text_free(&text);
	if (real) {
		seam->off++;
		int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
		seam->off--;
		lua_pushboolean(L, status == LUA_OK);
		lua_replace(L, 1);
		bool all = reef_values_add(&text, L, 1) && !text.failed;
		if (!all)
			tape->note(tape, name);
		tape->put_values(tape, text.data, text.size);
		reef_text_free(&text);
	} else {
		size_t size;
		bytes = tape->get_values(tape, &size);
		lua_settop(L, 0);
		if (reef_values_push(L, bytes, size) < 1)
			return luaL_error(L, "the record has no values here");
	}
	if (!lua_toboolean(L, 1))
		return lua_error(L);
	return lua_gettop(L) - 1;
}

/* A function of a module: its name and itself are upvalues. */
static int recorded_call(lua_State *L) {
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_insert(L, 2);
	return tape_call(L);
}

/* wall() -> second */
static int tape_wall(lua_State *L) {
	struct timespec now;
	reef_clock_wall(&now);
	lua_pushinteger(L, (lua_Integer)now.tv_sec);
	return 1;
}

/* chance() -> two integers */
static int tape_chance(lua_State *L) {
	lua_Integer drawn[2] = {0, 0};
	(void)reef_chance_fill(drawn, sizeof drawn, true);
	lua_pushinteger(L, drawn[0]);
	lua_pushinteger(L, drawn[1]);
	return 2;
}

/* knows_file(name) -> has the record that file? */
static int tape_knows_file(lua_State *L) {
	lua_pushboolean(L, reef_tape_of(L)->knows_file(luaL_checkstring(L, 1)));
	return 1;
}

void reef_tape_open_libraries(struct reef_host_seam *seam, lua_State *L) {
	struct reef_tape *tape = (struct reef_tape *)seam;
	lua_pushlightuserdata(L, tape);
	lua_setfield(L, LUA_REGISTRYINDEX, "reef.record");
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchers");
	lua_rawgeti(L, -1, 2);
	lua_pushliteral(L, "reef.record.outside");
	lua_call(L, 1, 1);
	lua_pushcfunction(L, tape_call);
	lua_pushcfunction(L, tape_wall);
	lua_pushcfunction(L, tape_chance);
	tape->knows_file ? lua_pushcfunction(L, tape_knows_file) : lua_pushnil(L);
	lua_call(L, 4, 0);
	lua_pop(L, 2);
}

/* ---- C modules ---- */

/* What looks outside by ways of its own. */
static const char *const unrecorded[] = {
		"client.socket",      "reef.await", "reef.fd.core",  "reef.mysql.core",     "reef.pool.core",
		"reef.postgres.core", "reef.spans", "reef.sql.core", "skynet.debugchannel", NULL,
};

enum { MOST_UPVALUES = 2 };

/* A function of a module that is not recorded, in its own frame: behind its upvalues are its name and itself. */
static int note_and_run(lua_State *L, int upvalues) {
	struct reef_tape *tape = reef_tape_of(L);
	lua_CFunction function = lua_tocfunction(L, lua_upvalueindex(upvalues + 2));
	tape->note(tape, lua_tostring(L, lua_upvalueindex(upvalues + 1)));
	return function(L);
}

static int note_0(lua_State *L) {
	return note_and_run(L, 0);
}
static int note_1(lua_State *L) {
	return note_and_run(L, 1);
}
static int note_2(lua_State *L) {
	return note_and_run(L, 2);
}

/* Puts one that notes in the place of the C function on top. */
static void wrap(lua_State *L, const char *module, const char *name) {
	static const lua_CFunction by_upvalues[MOST_UPVALUES + 1] = {note_0, note_1, note_2};
	int function = lua_gettop(L), upvalues = 0;
	luaL_checkstack(L, MOST_UPVALUES + 3, NULL);
	while (upvalues < MOST_UPVALUES && lua_getupvalue(L, function, upvalues + 1))
		upvalues++;
	lua_pushfstring(L, "%s.%s", module, name);
	lua_pushcfunction(L, lua_tocfunction(L, function));
	lua_pushcclosure(L, by_upvalues[upvalues], upvalues + 2);
	lua_replace(L, function);
}

/* Modules all of whose functions return plain values of what is outside, */
static const char *const recorded_modules[] = {
		"reef.files", "reef.look", "reef.memory", "reef.scheduler", "reef.services", "reef.settings", NULL,
};
/* and functions that do. */
static const char *const recorded[] = {
		"reef.datasheet.core.exists", "reef.datasheet.core.collect",
		"reef.datasheet.core.stat",   "reef.sharetable.publish",
		"reef.sharetable.load",       "reef.sharetable.stat",
		"reef.tls.core.reload",       NULL,
};
static bool is_listed(const char *const *list, const char *name) {
	while (*list && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

static bool is_among(const char *const *list, const char *module, const char *name) {
	size_t size = strlen(module);
	for (; *list; list++)
		if (strncmp(*list, module, size) == 0 && (*list)[size] == '.' &&
			(name == NULL || strcmp(*list + size + 1, name) == 0))
			return true;
	return false;
}

/* The C function on top, as this service is to have it. */
static void replace(lua_State *L, const char *module, const char *name, bool whole) {
	if (is_listed(recorded_modules, module) || is_among(recorded, module, name)) {
		lua_pushfstring(L, "%s.%s", module, name);
		lua_insert(L, -2);
		lua_pushcclosure(L, recorded_call, 2);
	} else if (whole) {
		wrap(L, module, name);
	}
}

int reef_tape_open_module(struct reef_host_seam *seam, lua_State *L, const char *name, lua_CFunction open) {
	(void)seam;
	bool whole = is_listed(unrecorded, name);
	if (!whole && !is_listed(recorded_modules, name) && !is_among(recorded, name, NULL))
		return open(L);
	lua_pushcfunction(L, open);
	lua_pushstring(L, name);
	lua_call(L, 1, 1);
	if (!lua_istable(L, -1))
		return 1;
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, -3);) {
		if (lua_iscfunction(L, -1) && lua_type(L, -2) == LUA_TSTRING)
			replace(L, name, lua_tostring(L, -2), whole);
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	return 1;
}

/* ---- the end of slices ---- */

void reef_tape_defer(struct reef_seam *seam, struct reef_deferred *deferred) {
	struct reef_tape *tape = (struct reef_tape *)seam;
	deferred->next = NULL;
	*tape->deferred_tail = deferred;
	tape->deferred_tail = &deferred->next;
}

void reef_tape_run_deferred(struct reef_tape *tape) {
	while (tape->deferred) {
		struct reef_deferred *deferred = tape->deferred;
		tape->deferred = deferred->next;
		if (tape->deferred == NULL)
			tape->deferred_tail = &tape->deferred;
		deferred->run(deferred);
	}
}
