/* Reads the configuration.
 *
 * `$NAME` anywhere in the text becomes the variable of the process' environment before the text is compiled; it runs
 * with an environment of its own that has only `include`, which reads another file the same way, relative to the file
 * that includes it.
 */
#include "config.h"
#include "name_check.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "core/clean.h"
#include "core/env.h"
#include "core/node.h"

#define MAX_THREADS 1024

/* Appends the file's text with variables replaced. Raises a Lua error. */
static void push_expanded(lua_State *L, const char *path) {
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		luaL_error(L, "%s: %s", path, strerror(errno));
	luaL_Buffer text;
	luaL_buffinit(L, &text);
	int c = getc(file);
	while (c != EOF) {
		if (c != '$') {
			luaL_addchar(&text, (char)c);
			c = getc(file);
			continue;
		}
		char name[256];
		size_t n = 0;
		while ((c = getc(file)) != EOF && (isalnum(c) || c == '_') && n < sizeof name - 1)
			name[n++] = (char)c;
		name[n] = '\0';
		const char *value = n > 0 ? getenv(name) : NULL;
		if (value == NULL) {
			fclose(file);
			luaL_error(L, n > 0 ? "%s: the environment variable $%s is not set" : "%s: a $ without a name", path, name);
		}
		luaL_addstring(&text, value);
	}
	int failure = ferror(file) ? errno : 0; /* a directory, say */
	fclose(file);
	if (failure != 0)
		luaL_error(L, "%s: %s", path, strerror(failure));
	luaL_pushresult(&text);
}

static int run_file(lua_State *L, const char *path);

/* include(path); upvalues: the environment table, the directory of the including file. */
static int include(lua_State *L) {
	const char *path = reef_check_name(L, 1);
	if (path[0] != '/')
		path = lua_pushfstring(L, "%s%s", lua_tostring(L, lua_upvalueindex(2)), path);
	lua_pushvalue(L, lua_upvalueindex(1));
	return run_file(L, path);
}

/* The environment table is on top of the stack; it stays. */
static int run_file(lua_State *L, const char *path) {
	int env = lua_gettop(L);
	push_expanded(L, path);
	size_t size;
	const char *text = lua_tolstring(L, -1, &size);
	if (luaL_loadbufferx(L, text, size, lua_pushfstring(L, "@%s", path), "t") != LUA_OK)
		return lua_error(L);
	/* Each file sees an `include` that knows where it is. */
	const char *slash = strrchr(path, '/');
	lua_getfield(L, env, "include");
	lua_pushvalue(L, env);
	lua_pushlstring(L, path, slash ? (size_t)(slash - path) + 1 : 0);
	lua_pushcclosure(L, include, 2);
	lua_setfield(L, env, "include");
	lua_insert(L, -2);
	lua_pushvalue(L, env);
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 0);
	lua_setfield(L, env, "include");
	lua_settop(L, env);
	return 0;
}

static int load(lua_State *L) {
	const char *path = lua_touserdata(L, 1);
	lua_newtable(L);
	int env = lua_gettop(L);
	run_file(L, path);
	lua_pushnil(L);
	lua_setfield(L, env, "include");
	lua_pushnil(L);
	while (lua_next(L, env)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			return luaL_error(L, "Invalid config table key = %s", luaL_tolstring(L, -2, NULL));
		const char *key = reef_check_name_at(L, -2, "config key");
		int type = lua_type(L, -1);
		if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
			return luaL_error(L, "Invalid config table key = %s (its value is a %s)", key, luaL_typename(L, -1));
		luaL_tolstring(L, -1, NULL);
		reef_env_set(key, reef_check_name_at(L, -1, key));
		lua_pop(L, 2);
	}
	return 0;
}

bool reef_config_load(const char *path) {
	lua_State *L = luaL_newstate();
	if (L == NULL) {
		fprintf(stderr, "reef: out of memory\n");
		return false;
	}
	lua_pushcfunction(L, load);
	lua_pushlightuserdata(L, (void *)path);
	bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
	if (!ok)
		reef_clean_complain("%s", lua_tostring(L, -1));
	lua_close(L);
	return ok;
}

/* Our Lua files lie beside the executable: installed in ../share/reef, in a build tree two levels up. */
bool reef_config_lualib(char real[PATH_MAX]) {
	const char *known = reef_env_get("reef_lualib");
	if (known != NULL)
		return snprintf(real, PATH_MAX, "%s", known) < PATH_MAX;
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	char *slash = strrchr(exe, '/');
	*slash = '\0';
	static const char *const places[] = {"../share/reef/lualib", "../../lualib"};
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		char path[PATH_MAX + 64];
		struct stat found;
		snprintf(path, sizeof path, "%s/%s/skynet.lua", exe, places[i]);
		if (stat(path, &found) == 0) {
			*strrchr(path, '/') = '\0';
			if (realpath(path, real))
				return true;
		}
	}
	return false;
}

/* A number alone makes no network: such a node is served without one. */
static bool check_harbor(void) {
	long harbor = reef_env_int("harbor", -1);
	if (harbor < 0 || harbor > 255) {
		fprintf(stderr, "reef: harbor = %s: must be a number from 0 to 255\n", reef_env_get("harbor"));
		return false;
	}
	static const char *const needed[] = {"address", "master"};
	bool network = harbor != 0 && (reef_env_get("address") || reef_env_get("master") || reef_env_get("standalone"));
	for (int i = 0; network && i < 2; i++) {
		if (reef_env_get(needed[i]) == NULL) {
			fprintf(stderr, "reef: harbor = %ld: a node of a network needs `%s`, such as \"127.0.0.1:2526\"\n", harbor,
					needed[i]);
			return false;
		}
	}
	reef_node_set((uint32_t)harbor);
	return true;
}

/* What is not set has its default. */
static bool config_check_number(const char *key, long least) {
	const char *text = reef_env_get(key);
	char *end = NULL;
	errno = 0;
	long value = text ? strtol(text, &end, 10) : least;
	if (text == NULL || (errno == 0 && end != text && *end == '\0' && value >= least))
		return true;
	reef_clean_complain("%s = %s: must be an integer of at least %ld", key, text, least);
	return false;
}

bool reef_config_complete(void) {
	static const char *const defaults[][2] = {
			{"thread", "8"},
			{"cpath", "./cservice/?.so"},
			{"bootstrap", "snlua bootstrap"},
			{"logservice", "logger"},
			{"profile", "true"},
			{"lua_path", "./lualib/?.lua;./lualib/?/init.lua"},
			{"lua_cpath", "./luaclib/?.so"},
			{"luaservice", "./service/?.lua"},
			{"start", "main"},
	};
	/* `reef run` sets its search paths later, from the script's place. */
	bool run = reef_env_get("reef_run") != NULL;
	for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
		const char *key = defaults[i][0];
		if (!(run && (strcmp(key, "lua_path") == 0 || strcmp(key, "luaservice") == 0)))
			reef_env_set(key, defaults[i][1]);
	}
	/* Who describes a network and does not number the node means the first one. */
	reef_env_set("harbor", reef_env_get("standalone") || reef_env_get("master") ? "1" : "0");
	char lualib[PATH_MAX];
	if (!reef_config_lualib(lualib)) {
		fprintf(stderr, "reef: cannot find its Lua files (share/reef/lualib beside the executable's directory)\n");
		return false;
	}
	reef_env_set("reef_lualib", lualib);
	if (!check_harbor() || !config_check_number("shutdown_timeout", 0) || !config_check_number("log_buffer", 1) ||
		!config_check_number("mailbox_messages", 0) || !config_check_number("mailbox_bytes", 0) ||
		!config_check_number("await_threads", 1))
		return false;
	long threads = reef_env_int("thread", 0);
	if (threads < 1 || threads > MAX_THREADS) {
		fprintf(stderr, "reef: thread = %s: must be a number from 1 to %d\n", reef_env_get("thread"), MAX_THREADS);
		return false;
	}
	return true;
}
