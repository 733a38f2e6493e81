/* The configuration of this process: reads it, fills in defaults, judges it. Places are kept as long as the process. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "config_keys.h"
#include "config_read.h"
#include "core/alloc.h"
#include "core/array.h"
#include "core/clean.h"
#include "core/env.h"
#include "core/node.h"
#include "core/redact.h"
#include "name_check.h"

/* Where a key got its value. */
struct place {
	char *key, *where; /* where: `FILE:LINE: ` */
	int line;
};

static struct REEF_ARRAY(struct place) assigned;

static const char *place_of(const char *key) {
	for (size_t i = 0; i < assigned.count; i++)
		if (strcmp(assigned.items[i].key, key) == 0)
			return assigned.items[i].where;
	return "";
}

static void keep_place(const char *key, const char *where, int line) {
	struct place *place = reef_array_add(&assigned);
	if (place)
		*place = (struct place){.key = reef_strdup(key), .where = reef_strdup(where), .line = line};
}

/* By file, then as they are read. */
static int compare_places(const void *one, const void *other) {
	const struct place *a = one, *b = other;
	size_t n = strcspn(a->where, ":"), m = strcspn(b->where, ":");
	int files = strncmp(a->where, b->where, n > m ? n : m);
	return files ? files : a->line - b->line;
}

/* ---- reading ---- */

static int load(lua_State *L) {
	reef_config_read(L, lua_touserdata(L, 1));
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
		reef_clean_complain("%s", lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		const char *key = lua_tostring(L, -2);
		lua_getfield(L, -1, "file");
		lua_getfield(L, -2, "line");
		lua_getfield(L, -3, "value");
		int line = (int)lua_tointeger(L, -2);
		keep_place(key, lua_pushfstring(L, "%s:%d: ", lua_tostring(L, -3), line), line);
		reef_env_set(key, lua_tostring(L, -2));
		lua_pop(L, 5);
	}
	if (assigned.count > 0)
		qsort(assigned.items, assigned.count, sizeof assigned.items[0], compare_places);
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
	if (ok)
		reef_env_set("reef_config", path);
	else
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

/* ---- judging ---- */

/* A number alone makes no network: such a node is served without one. */
static bool check_harbor(void) {
	long harbor = reef_env_int("harbor", 0);
	static const char *const needed[] = {"address", "master"};
	bool network = harbor != 0 && (reef_env_get("address") || reef_env_get("master") || reef_env_get("standalone"));
	for (int i = 0; network && i < 2; i++) {
		if (reef_env_get(needed[i]) == NULL) {
			reef_clean_complain("%sharbor = %ld: a node of a network needs `%s`, such as \"127.0.0.1:2526\"",
								place_of("harbor"), harbor, needed[i]);
			return false;
		}
	}
	reef_node_set((uint32_t)harbor);
	return true;
}

static bool check_value(const char *key) {
	const char *value = reef_env_get(key);
	char why[256];
	if (value == NULL)
		return true;
	enum reef_config_judgement judgement = reef_config_key_check(key, value, why, sizeof why);
	if (judgement != REEF_CONFIG_GOOD)
		reef_clean_complain("%s%s%s = %s: %s", place_of(key), judgement == REEF_CONFIG_DOUBTFUL ? "warning: " : "", key,
							reef_redact_names_secret(key, strlen(key)) ? "***" : value, why);
	return judgement != REEF_CONFIG_WRONG;
}

/* Says all that is wrong, not only the first: what the configuration assigns from its first line on, then what has its
 * value from elsewhere. */
static bool check_values(void) {
	bool ok = true;
	for (size_t i = 0; i < assigned.count; i++) {
		const char *meant = reef_config_key_meant(assigned.items[i].key);
		if (meant)
			reef_clean_complain("%swarning: Reef knows no key %s (did you mean %s?)", assigned.items[i].where,
								assigned.items[i].key, meant);
		ok &= check_value(assigned.items[i].key);
	}
	for (size_t i = 0; i < reef_config_key_count(); i++)
		if (*place_of(reef_config_key_name(i)) == '\0')
			ok &= check_value(reef_config_key_name(i));
	return ok;
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
	return check_values() && check_harbor();
}
