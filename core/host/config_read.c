/* Reads a configuration file: see config_read.h.
 *
 * Each file runs with an environment of its own, which is empty: what it assigns and asks for goes through functions that
 * keep the values of all files in one table, and where each was assigned in another. */
#include "config_read.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <lauxlib.h>

#include "config_text.h"
#include "name_check.h"

#define DEEPEST 32 /* files that include each other: a level takes some of the C stack */

/* The files that are being read. It lies on the C stack of reef_config_read. */
struct reader {
	struct {
		dev_t device;
		ino_t inode;
		const char *path;
	} files[DEEPEST];
	int depth;
	/* Where a name was asked for last that has no value; which one, is in the registry. */
	const char *unset_in;
	int unset_line;
};

static const char unset_key, doubts_key; /* of the registry: that name, and the list of what may be meant otherwise */

enum { VALUES = 1, PLACES, READER, DIRECTORY }; /* upvalues of an environment's functions */

/* ---- the text ---- */

struct problem {
	lua_State *L;
	const char *path;
	bool any;
};

/* Leaves the first on the stack. */
static void note_problem(void *ud, int line, const char *message) {
	struct problem *problem = ud;
	if (!problem->any)
		lua_pushfstring(problem->L, "%s:%d: %s", problem->path, line, message);
	problem->any = true;
}

static void close_file(lua_State *L, FILE *file, const char *path, int failure) {
	if (file)
		fclose(file);
	if (failure != 0)
		luaL_error(L, "%s: %s", path, strerror(failure));
}

/* Pushes the file's text, and says which file it is. */
static void push_file(lua_State *L, const char *path, struct stat *st) {
	FILE *file = fopen(path, "rb");
	if (file == NULL || fstat(fileno(file), st) != 0)
		close_file(L, file, path, errno);
	luaL_Buffer text;
	luaL_buffinit(L, &text);
	size_t n;
	do {
		n = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, file);
		luaL_addsize(&text, n);
	} while (n > 0);
	close_file(L, file, path, ferror(file) ? errno : 0); /* a directory, say */
	luaL_pushresult(&text);
}

/* Replaces the text on top of the stack. */
static void expand(lua_State *L, const char *path) {
	size_t size;
	const char *text = lua_tolstring(L, -1, &size);
	struct reef_text out = {0};
	struct problem problem = {.L = L, .path = path};
	reef_config_expand(&out, text, size, note_problem, &problem);
	if (problem.any || out.failed) {
		reef_text_free(&out);
		if (!problem.any)
			luaL_error(L, "%s: not enough memory", path);
		lua_error(L);
	}
	lua_pushlstring(L, out.data ? out.data : "", out.size);
	reef_text_free(&out);
	lua_replace(L, -2);
}

/* ---- the environment ---- */

static void run_file(lua_State *L, const char *path, int values, int places, struct reader *reader);

/* include(path) */
static int include(lua_State *L) {
	struct reader *reader = lua_touserdata(L, lua_upvalueindex(READER));
	const char *path = reef_check_name(L, 1);
	if (path[0] != '/')
		path = lua_pushfstring(L, "%s%s", lua_tostring(L, lua_upvalueindex(DIRECTORY)), path);
	lua_pushvalue(L, lua_upvalueindex(VALUES));
	lua_pushvalue(L, lua_upvalueindex(PLACES));
	run_file(L, path, lua_gettop(L) - 1, lua_gettop(L), reader);
	return 0;
}

static void push_upvalues(lua_State *L) {
	for (int i = VALUES; i <= DIRECTORY; i++)
		lua_pushvalue(L, lua_upvalueindex(i));
}

static void note_unset(lua_State *L) {
	struct reader *reader = lua_touserdata(L, lua_upvalueindex(READER));
	lua_Debug caller;
	lua_getstack(L, 1, &caller);
	lua_getinfo(L, "l", &caller);
	reader->unset_in = reader->files[reader->depth - 1].path;
	reader->unset_line = caller.currentline;
	lua_pushvalue(L, 2);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &unset_key);
}

/* A key at index 2 gets no value. Has it been given that of a name that has none, such as a text without quotes? */
static void doubt_unset(lua_State *L, const struct reader *reader, const lua_Debug *caller) {
	const char *path = reader->files[reader->depth - 1].path;
	if (reader->unset_in != path || reader->unset_line != caller->currentline || lua_type(L, 2) != LUA_TSTRING)
		return;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &doubts_key);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &unset_key);
	lua_pushfstring(L, "%s:%d: warning: %s is given no value, for %s has none (a text needs quotes)", path,
					caller->currentline, lua_tostring(L, 2), lua_tostring(L, -1));
	lua_rawseti(L, -3, (lua_Integer)lua_rawlen(L, -3) + 1);
	lua_pop(L, 2);
}

/* __index(environment, key) */
static int get(lua_State *L) {
	if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "include") == 0) {
		push_upvalues(L);
		lua_pushcclosure(L, include, DIRECTORY);
		return 1;
	}
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(VALUES)) == LUA_TNIL && lua_type(L, 2) == LUA_TSTRING) {
		note_unset(L);
		lua_pushnil(L);
	}
	return 1;
}

/* __newindex(environment, key, value) */
static int set(lua_State *L) {
	lua_settop(L, 3);
	if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "include") == 0)
		return luaL_error(L, "include is a function, and no key");
	lua_Debug caller;
	lua_getstack(L, 1, &caller);
	lua_getinfo(L, "Sl", &caller);
	struct reader *reader = lua_touserdata(L, lua_upvalueindex(READER));
	if (lua_isnil(L, 3))
		doubt_unset(L, reader, &caller);
	reader->unset_in = NULL;
	lua_pushvalue(L, 2);
	lua_pushfstring(L, "%s:%d: ", caller.source + 1, caller.currentline); /* behind the `@` */
	lua_rawset(L, lua_upvalueindex(PLACES));
	lua_rawset(L, lua_upvalueindex(VALUES));
	return 0;
}

static void push_environment(lua_State *L, const char *path, int values, int places, struct reader *reader) {
	const char *slash = strrchr(path, '/');
	lua_newtable(L);
	lua_newtable(L);
	for (int i = 0; i < 2; i++) {
		lua_pushvalue(L, values);
		lua_pushvalue(L, places);
		lua_pushlightuserdata(L, reader);
		lua_pushlstring(L, path, slash ? (size_t)(slash - path) + 1 : 0);
		lua_pushcclosure(L, i == 0 ? get : set, DIRECTORY);
		lua_setfield(L, -2, i == 0 ? "__index" : "__newindex");
	}
	lua_setmetatable(L, -2);
}

/* ---- files ---- */

static void check_circle(lua_State *L, const struct reader *reader, const struct stat *st, const char *path) {
	for (int i = 0; i < reader->depth; i++) {
		if (reader->files[i].device != st->st_dev || reader->files[i].inode != st->st_ino)
			continue;
		luaL_Buffer chain;
		luaL_buffinit(L, &chain);
		for (int k = i; k < reader->depth; k++) {
			luaL_addstring(&chain, reader->files[k].path);
			luaL_addstring(&chain, " -> ");
		}
		luaL_addstring(&chain, path);
		luaL_pushresult(&chain);
		luaL_error(L, "a file that is being read is included again: %s", lua_tostring(L, -1));
	}
	if (reader->depth == DEEPEST)
		luaL_error(L, "more than %d files include each other, the last is %s", DEEPEST, path);
}

static void run_file(lua_State *L, const char *path, int values, int places, struct reader *reader) {
	struct stat st;
	int top = lua_gettop(L);
	luaL_checkstack(L, 10, NULL);
	push_file(L, path, &st);
	check_circle(L, reader, &st, path);
	reader->files[reader->depth].device = st.st_dev;
	reader->files[reader->depth].inode = st.st_ino;
	reader->files[reader->depth++].path = path;
	expand(L, path);
	size_t size;
	const char *text = lua_tolstring(L, -1, &size);
	if (luaL_loadbufferx(L, text, size, lua_pushfstring(L, "@%s", path), "t") != LUA_OK)
		lua_error(L);
	push_environment(L, path, values, places, reader);
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 0);
	reader->depth--;
	lua_settop(L, top);
}

/* Pushes `where`, `FILE:LINE: `, as the fields of the table on top of the stack. */
static void add_place(lua_State *L, const char *where) {
	const char *end = where + strlen(where) - 2, *colon = end;
	while (colon > where && *--colon != ':')
		continue;
	lua_pushlstring(L, where, (size_t)(colon - where));
	lua_setfield(L, -2, "file");
	lua_pushlstring(L, colon + 1, (size_t)(end - colon - 1));
	lua_pushinteger(L, lua_tointeger(L, -1));
	lua_setfield(L, -3, "line");
	lua_pop(L, 1);
}

/* key, value -> key, table */
static void finish_value(lua_State *L, int places) {
	lua_pushvalue(L, -2);
	lua_rawget(L, places);
	const char *where = lua_tostring(L, -1);
	if (lua_type(L, -3) != LUA_TSTRING)
		luaL_error(L, "%sInvalid config table key = %s", where, luaL_tolstring(L, -3, NULL));
	const char *key = lua_tostring(L, -3);
	int type = lua_type(L, -2);
	if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
		luaL_error(L, "%sInvalid config table key = %s (its value is a %s)", where, key, lua_typename(L, type));
	reef_check_name_at(L, -3, "config key");
	lua_newtable(L);
	add_place(L, where);
	luaL_tolstring(L, -3, NULL);
	reef_check_name_at(L, -1, key);
	lua_setfield(L, -2, "value");
	lua_insert(L, -3);
	lua_pop(L, 2);
}

void reef_config_read(lua_State *L, const char *path) {
	struct reader reader = {.depth = 0};
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &doubts_key);
	lua_newtable(L);
	lua_newtable(L);
	int values = lua_gettop(L) - 1, places = values + 1;
	run_file(L, path, values, places, &reader);
	lua_newtable(L);
	lua_pushnil(L);
	while (lua_next(L, values)) {
		finish_value(L, places);
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, places + 1);
	}
	lua_replace(L, values);
	lua_settop(L, values);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &doubts_key);
}
