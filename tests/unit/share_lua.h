/* For the C tests of shared data: VMs, and Lua code with a file name and line in its errors. */
#ifndef SHARE_LUA_H
#define SHARE_LUA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "sharetable/snapshot.h"

static inline lua_State *new_vm(void) {
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	return L;
}

/* The seed of the run, and how many rounds of chance: as many as asked for, or a share of the usual ones under a sanitizer. */
static inline void read_chance(long *seed, long *rounds, long usual, long sanitized) {
	const char *preset = getenv("REEF_TEST_PRESET");
	bool sanitizer = preset != NULL && (strcmp(preset, "asan") == 0 || strcmp(preset, "tsan") == 0);
	const char *text = getenv("REEF_TEST_SEED");
	*seed = text != NULL ? atol(text) : (long)time(NULL);
	text = getenv("REEF_TEST_ROUNDS");
	*rounds = text != NULL ? atol(text) : sanitizer ? sanitized : usual;
}

/* The path of tests/unit/share/NAME. */
static inline const char *unit_path(const char *name) {
	static _Thread_local char path[1024];
	snprintf(path, sizeof(path), REEF_UNIT_DIRECTORY "/share/%s", name);
	return path;
}

/* Runs code with the value on top of the stack (taken) as `...`; leaves its one result. */
static inline void run_loaded(lua_State *L, int status) {
	if (status == LUA_OK) {
		lua_insert(L, -2);
		status = lua_pcall(L, 1, 1, 0);
	}
	if (status != LUA_OK) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		abort();
	}
}

static inline void run_with(lua_State *L, const char *code) {
	run_loaded(L, luaL_loadbufferx(L, code, strlen(code), code, "t"));
}

static inline void run(lua_State *L, const char *code) {
	lua_pushnil(L);
	run_with(L, code);
	lua_pop(L, 1);
}

/* Freezes what is on top of the stack, and ends the VM. */
static inline struct reef_snapshot *freeze_top(lua_State *L, const char *name) {
	char why[512];
	struct reef_snapshot *s = reef_snapshot_table(L, -1, name, why, sizeof(why));
	lua_close(L);
	if (s == NULL) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	return s;
}

/* What `code` returns, frozen in a VM that is gone afterwards. */
static inline struct reef_snapshot *frozen(const char *name, const char *code) {
	lua_State *L = new_vm();
	lua_pushnil(L);
	run_with(L, code);
	return freeze_top(L, name);
}

static inline struct reef_snapshot *frozen_file(const char *name, const char *file) {
	lua_State *L = new_vm();
	lua_pushnil(L);
	run_loaded(L, luaL_loadfile(L, unit_path(file)));
	return freeze_top(L, name);
}

static inline void run_file(lua_State *L, const struct reef_snapshot *s, const char *file) {
	reef_snapshot_push(L, s);
	run_loaded(L, luaL_loadfile(L, unit_path(file)));
	lua_pop(L, 1);
}

static inline void run_on(lua_State *L, const struct reef_snapshot *s, const char *code) {
	reef_snapshot_push(L, s);
	run_with(L, code);
	lua_pop(L, 1);
}

#endif
