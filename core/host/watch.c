/* What a main function does while it is watched: see watch.h. */
#include "watch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "core/alloc.h"
#include "core/env.h"
#include "host_private.h"

#include "lstate.h"

enum { COUNT = 1000000, MAX_COUNTS = 5, MAX_REASONS = 128, PATH_SIZE = 4096 };

enum watch_note { FILE_THERE = '+', FILE_MISSING = '-', VARIABLE_MISSING = '?' };

const char reef_no_memory[] = "no memory";

/* ---- reasons ---- */

/* A reason as text that lives as long as the process: the same for the same text. */
static const char *lasting(const char *text) {
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static const char *reasons[MAX_REASONS];
	static int count;
	const char *found = NULL;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < count && found == NULL; i++)
		found = strcmp(reasons[i], text) == 0 ? reasons[i] : NULL;
	if (found == NULL && count < MAX_REASONS)
		found = reasons[count++] = reef_strdup(text);
	pthread_mutex_unlock(&lock);
	return found ? found : "one of too many different reasons";
}

static _Thread_local struct reef_watch *current;

struct reef_watch *reef_watch_current(void) {
	return current;
}

static void refuse(struct reef_watch *watch, const char *reason) {
	if (watch->refusal == NULL)
		watch->refusal = reason;
}

void reef_watch_refuse(const char *reason) {
	if (current)
		refuse(current, reason);
}

/* ---- harmless functions ---- */

static int compare(const void *a, const void *b) {
	uintptr_t x = (uintptr_t) * (const lua_CFunction *)a, y = (uintptr_t) * (const lua_CFunction *)b;
	return x < y ? -1 : x > y;
}

/* Takes the C function on top of the stack. */
static lua_CFunction add_function(lua_State *L, struct reef_watch *watch) {
	lua_CFunction f = lua_tocfunction(L, -1);
	lua_pop(L, 1);
	if (f == NULL)
		return NULL;
	lua_CFunction *place = reef_array_add(&watch->harmless);
	if (place == NULL)
		luaL_error(L, "no memory");
	return *place = f;
}

/* The functions of the table on top of the stack with these names, or all for NULL. */
static void add_fields(lua_State *L, struct reef_watch *watch, const char *const *names) {
	if (names == NULL) {
		for (lua_pushnil(L); lua_next(L, -2);)
			add_function(L, watch);
		return;
	}
	for (; *names; names++) {
		lua_getfield(L, -1, *names);
		add_function(L, watch);
	}
}

static void add_library(lua_State *L, struct reef_watch *watch, const char *library, const char *const *names) {
	lua_getglobal(L, library);
	add_fields(L, watch, names);
	lua_pop(L, 1);
}

/* The functions that other functions of the libraries give out. */
static void add_iterators(lua_State *L, struct reef_watch *watch) {
	if (luaL_dostring(L, "return ipairs {}, (string.gmatch('', '')), (utf8.codes '')") != LUA_OK)
		lua_error(L);
	add_function(L, watch);
	add_function(L, watch);
	add_function(L, watch);
	lua_settop(L, 1);
	if (luaL_dostring(L, "return (utf8.codes('', true))") != LUA_OK)
		lua_error(L);
	add_function(L, watch);
	lua_settop(L, 1);
}

/* `require` and what it calls, if the module is one of ours or lies in package.path. */
static void add_require(lua_State *L, struct reef_watch *watch) {
	static const char *const names[] = {"require", NULL};
	add_library(L, watch, LUA_GNAME, names);
	lua_getfield(L, LUA_REGISTRYINDEX, "reef.require");
	add_function(L, watch);
	lua_getglobal(L, LUA_LOADLIBNAME);
	lua_getfield(L, -1, "searchers");
	for (int i = 1; i <= 3; i++) {
		lua_rawgeti(L, -1, i);
		add_function(L, watch);
	}
	lua_rawgeti(L, -1, 4);
	watch->search_c = lua_tocfunction(L, -1);
	lua_pop(L, 2);
	lua_getfield(L, -1, "searchpath");
	watch->searchpath = add_function(L, watch);
	lua_pop(L, 1);
}

static int gather(lua_State *L) {
	static const char *const base[] = {"assert", "error",        "getmetatable", "ipairs",   "load",   "next",
									   "pairs",  "pcall",        "rawequal",     "rawget",   "rawlen", "rawset",
									   "select", "setmetatable", "tonumber",     "tostring", "type",   "xpcall",
									   NULL};
	static const char *const math[] = {"abs",   "acos", "asin",      "atan", "ceil", "cos",  "deg", "exp",
									   "floor", "fmod", "log",       "max",  "min",  "modf", "rad", "sin",
									   "sqrt",  "tan",  "tointeger", "type", "ult",  NULL};
	static const char *const coroutine[] = {"running", "isyieldable", NULL};
	static const char *const debug[] = {"getinfo", "getmetatable", "getupvalue", "traceback", NULL};
	struct reef_watch *watch = lua_touserdata(L, 1);
	add_library(L, watch, LUA_GNAME, base);
	add_library(L, watch, LUA_MATHLIBNAME, math);
	add_library(L, watch, LUA_STRLIBNAME, NULL);
	add_library(L, watch, LUA_TABLIBNAME, NULL);
	add_library(L, watch, LUA_UTF8LIBNAME, NULL);
	add_library(L, watch, LUA_COLIBNAME, coroutine);
	add_library(L, watch, LUA_DBLIBNAME, debug);
	lua_pushliteral(L, "");
	if (lua_getmetatable(L, -1))
		add_fields(L, watch, NULL);
	lua_settop(L, 1);
	add_iterators(L, watch);
	add_require(L, watch);
	lua_getglobal(L, "tostring");
	watch->tostring = add_function(L, watch);
	lua_getglobal(L, LUA_STRLIBNAME);
	lua_getfield(L, -1, "format");
	watch->format = add_function(L, watch);
	return 0;
}

/* ---- the hook ---- */

/* Are all arguments values that look the same in all VMs? An object would give its address. */
static bool has_plain_arguments(lua_State *L, const lua_Debug *ar) {
	bool ok = true;
	for (int i = 1; ok && lua_getlocal(L, ar, i) != NULL; i++) {
		int type = lua_type(L, -1);
		ok = type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING;
		lua_pop(L, 1);
	}
	return ok;
}

/* Lua's own library keeps long text that it makes in userdata which it ends itself. */
static bool is_end_of_box(lua_State *L, const lua_Debug *ar) {
	if (lua_getlocal(L, ar, 1) == NULL)
		return false;
	bool is_box = luaL_testudata(L, -1, "_UBOX*") != NULL;
	lua_pop(L, 1);
	return is_box;
}

static bool is_harmless(lua_State *L, const struct reef_watch *watch, lua_CFunction f, const lua_Debug *ar) {
	if (f == watch->tostring || f == watch->format)
		return has_plain_arguments(L, ar);
	if (f == watch->searchpath)
		return watch->searching;
	return bsearch(&f, watch->harmless.items, watch->harmless.count, sizeof(f), compare) != NULL ||
		   reef_host_is_harmless(f) || is_end_of_box(L, ar);
}

static void refuse_call(lua_State *L, struct reef_watch *watch, lua_CFunction f, lua_Debug *ar) {
	char text[96];
	if (f == watch->search_c) {
		refuse(watch, "it asks for a module that package.path does not lead to");
		return;
	}
	bool has_name = lua_getinfo(L, "n", ar) && ar->name;
	snprintf(text, sizeof(text), "it calls %.48s while it loads", has_name ? ar->name : "a function");
	refuse(watch, lasting(text));
}

static void on_event(lua_State *L, lua_Debug *ar) {
	struct reef_watch *watch = current;
	if (ar->event == LUA_HOOKCOUNT) {
		if (++watch->counts > MAX_COUNTS)
			refuse(watch, "its loading takes long");
	} else if (!watch->entered) {
		watch->entered = true;
	} else if (watch->refusal == NULL) {
		lua_getinfo(L, "f", ar);
		lua_CFunction f = lua_tocfunction(L, -1);
		lua_pop(L, 1);
		if (f != NULL && !is_harmless(L, watch, f, ar))
			refuse_call(L, watch, f, ar);
	}
	if (watch->refusal != NULL) {
		/* Who catches it is told again at the next step. A handler of errors would run in this hook, and be seen by none. */
		lua_sethook(L, on_event, LUA_MASKCALL | LUA_MASKCOUNT, 1);
		L->errfunc = 0;
		luaL_error(L, "%s", watch->refusal);
	}
}

bool reef_watch_begin(struct reef_watch *watch, lua_State *L) {
	*watch = (struct reef_watch){0};
	lua_pushcfunction(L, gather);
	lua_pushlightuserdata(L, watch);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK)
		return false;
	qsort(watch->harmless.items, watch->harmless.count, sizeof(lua_CFunction), compare);
	current = watch;
	lua_sethook(L, on_event, LUA_MASKCALL | LUA_MASKCOUNT, COUNT);
	return true;
}

void reef_watch_end(lua_State *L) {
	lua_sethook(L, NULL, 0, 0);
	current = NULL;
}

void reef_watch_fini(struct reef_watch *watch) {
	reef_array_fini(&watch->harmless);
	reef_text_free(&watch->notes);
}

/* ---- what is repeated for each copy ---- */

void reef_watch_start(struct reef_watch *watch, lua_State *L, lua_Integer cs, bool dropped) {
	if (cs > 0 || !dropped)
		refuse(watch, "it sets a timer while it loads");
	else
		reef_session_keep_at(L, reef_host_get(L), watch->starts++, 2);
}

static void note(struct reef_watch *watch, enum watch_note kind, const char *name, size_t size) {
	char letter = (char)kind;
	reef_text_add(&watch->notes, &letter, 1);
	reef_text_add(&watch->notes, name, size);
	reef_text_add(&watch->notes, "", 1);
	if (watch->notes.failed)
		refuse(watch, reef_no_memory);
}

/* The name's file as that pattern says. */
static size_t expand(char *file, const char *pattern, size_t size, const char *name) {
	size_t used = 0;
	for (size_t i = 0; i < size && used < PATH_SIZE; i++) {
		if (pattern[i] != '?') {
			file[used++] = pattern[i];
			continue;
		}
		for (const char *c = name; *c && used < PATH_SIZE; c++)
			file[used++] = *c == '.' ? '/' : *c;
	}
	return used;
}

void reef_watch_searched(struct reef_watch *watch, const char *name, const char *path, const char *found) {
	char file[PATH_SIZE];
	size_t found_size = found ? strlen(found) : 0;
	bool is_found = false;
	while (*path && !is_found) {
		size_t size = strcspn(path, ";"), n = expand(file, path, size, name);
		is_found = found && n == found_size && memcmp(file, found, n) == 0;
		note(watch, is_found ? FILE_THERE : FILE_MISSING, file, n);
		path += size;
		path += *path == ';';
	}
	if (found && !is_found)
		refuse(watch, "a module that is found in a way of its own");
}

void reef_watch_asked_missing(struct reef_watch *watch, const char *variable) {
	note(watch, VARIABLE_MISSING, variable, strlen(variable));
}

static bool is_same(enum watch_note kind, const char *name) {
	if (kind == VARIABLE_MISSING)
		return reef_env_get(name) == NULL;
	return (access(name, R_OK) == 0) == (kind == FILE_THERE);
}

bool reef_watch_finds_the_same(const char *notes, size_t size) {
	const char *end = notes + size;
	for (const char *note = notes; note < end; note += strlen(note) + 1) {
		if (!is_same((enum watch_note) * note, note + 1))
			return false;
	}
	return true;
}
