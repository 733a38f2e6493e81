/* Where a service's code comes from.
 *
 * Modules are searched in package.preload, among the C modules of the rooms, in our own lualib, then as package.path and
 * package.cpath say, and at last where distributions install modules for Lua 5.4 (lpeg, cjson ...); so our modules are
 * found whatever a configuration sets. A room above may load files its own way (load_file of the host's hooks).
 *
 * The list of C modules is written at start-up only. */
#include "load.h"
#include "name_check.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "host_private.h"
#include "own_files.h"

#define REEF_LOAD_LUA "/lua/" LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "/"

enum { PATH_SIZE = 4096 };

/* As luaL_loadfilex for every file that a service loads. */
static int load_file(lua_State *L, const char *name, const char *mode) {
	int (*hook)(lua_State * L, const char *file, const char *how) = reef_host_hooks()->load_file;
	return (hook ? hook : luaL_loadfilex)(L, name, mode);
}

/* Is the loader of services ours? It is unless the key `lualoader` names another one; the name of the API's own loader,
 * wherever it is said to lie, stands for ours. */
static bool has_own_loader(void) {
	static const char standard[] = "lualib/loader.lua";
	const char *name = reef_env_get("lualoader");
	size_t size = name ? strlen(name) : 0;
	return !name || (size >= sizeof(standard) - 1 && strcmp(name + size - (sizeof(standard) - 1), standard) == 0);
}

/* What loaders of others expect to find: the configuration's paths as globals. Own services come first for them, too. */
static void set_loader_globals(lua_State *L, const char *own_services) {
	static const char *const globals[][2] = {
			{"LUA_PATH", "lua_path"}, {"LUA_CPATH", "lua_cpath"}, {"LUA_PRELOAD", "preload"}};
	for (size_t i = 0; i < sizeof(globals) / sizeof(*globals); i++) {
		lua_pushstring(L, reef_env_get(globals[i][1]));
		lua_setglobal(L, globals[i][0]);
	}
	const char *services = reef_env_get("luaservice");
	lua_pushfstring(L, "%s%s%s", own_services ? own_services : "", own_services ? ";" : "", services ? services : "");
	lua_setglobal(L, "LUA_SERVICE");
}

bool reef_load_is_own_service(const char *arguments) {
	char relative[256];
	int n = snprintf(relative, sizeof(relative), "service/%.*s.lua", (int)strcspn(arguments, " "), arguments);
	return n > 0 && (size_t)n < sizeof(relative) && reef_own_file(relative) != NULL;
}

int reef_load_run_loader(lua_State *L, const char *arguments, bool is_own) {
	char path[PATH_SIZE], loader[PATH_SIZE];
	snprintf(path, sizeof(path), "%s/service/?.lua", reef_own_directory());
	const char *own_services = is_own ? path : NULL;
	snprintf(loader, sizeof(loader), "%s/loader.lua", reef_own_directory());
	bool is_own_loader = has_own_loader();
	if (load_file(L, is_own_loader ? loader : reef_env_get("lualoader"), NULL) != LUA_OK)
		return lua_error(L);
	lua_pushstring(L, arguments);
	if (is_own_loader)
		lua_pushstring(L, own_services);
	else
		set_loader_globals(L, own_services);
	lua_call(L, is_own_loader ? 2 : 1, 0);
	return 0;
}

/* ---- functions of the base library ---- */

static int load_loadfile(lua_State *L) {
	const char *name = reef_opt_name(L, 1, NULL);
	const char *mode = reef_opt_name(L, 2, NULL);
	int env = lua_isnone(L, 3) ? 0 : 3;
	if (load_file(L, name, mode) != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (env) {
		lua_pushvalue(L, env);
		if (!lua_setupvalue(L, -2, 1))
			lua_pop(L, 1);
	}
	return 1;
}

static int load_results(lua_State *L, int status, lua_KContext context) {
	(void)status;
	return lua_gettop(L) - (int)context;
}

static int load_dofile(lua_State *L) {
	const char *name = reef_opt_name(L, 1, NULL);
	lua_settop(L, 1);
	if (load_file(L, name, NULL) != LUA_OK)
		return lua_error(L);
	lua_callk(L, 0, LUA_MULTRET, 1, load_results);
	return load_results(L, LUA_OK, 1);
}

/* In the main chunk the stock require; in a coroutine that of skynet.require, in which module bodies may wait. */
static int load_require(lua_State *L) {
	reef_check_name(L, 1);
	lua_settop(L, 1);
	if (!reef_host_get(L)->running) {
		lua_pushvalue(L, lua_upvalueindex(1));
		lua_insert(L, 1);
		lua_call(L, 1, LUA_MULTRET);
		return lua_gettop(L);
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushliteral(L, "reef.base.require");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "require");
	lua_pushvalue(L, 1);
	lua_callk(L, 1, LUA_MULTRET, 2, load_results);
	return load_results(L, LUA_OK, 2);
}

/* ---- searchers ---- */

static int searcher_found(lua_State *L, int status, const char *name, const char *file) {
	if (status != LUA_OK)
		return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, file, lua_tostring(L, -1));
	lua_pushstring(L, file);
	return 2;
}

/* The file of our module of that name, NULL if there is none. */
static const char *own_module(const char *name) {
	static const char init[] = "/init.lua";
	char relative[256];
	size_t n = strlen(name);
	if (n > sizeof(relative) - sizeof(init))
		return NULL;
	for (size_t i = 0; i < n; i++)
		relative[i] = name[i] == '.' ? '/' : name[i];
	memcpy(relative + n, ".lua", sizeof(".lua"));
	const char *path = reef_own_file(relative);
	if (path)
		return path;
	memcpy(relative + n, init, sizeof(init));
	return reef_own_file(relative);
}

/* C modules of the rooms, and our own lualib. */
static int search_own(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	lua_CFunction open = reef_host_preloaded(name);
	if (open) {
		lua_pushcfunction(L, open);
		lua_pushliteral(L, ":reef:");
		return 2;
	}
	const char *path = own_module(name);
	if (path)
		return searcher_found(L, load_file(L, path, NULL), name, path);
	lua_pushfstring(L, "no module '%s' in %s", name, reef_own_directory());
	return 1;
}

/* As the stock searcher of package.path, with load_file. */
static int search_path(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_getfield(L, -1, "package");
	lua_getfield(L, -1, "searchpath");
	lua_pushvalue(L, 1);
	if (lua_getfield(L, -3, "path") != LUA_TSTRING)
		return luaL_error(L, "'package.path' must be a string");
	lua_call(L, 2, 2);
	if (lua_isnil(L, -2))
		return 1;
	const char *file = lua_tostring(L, -2);
	return searcher_found(L, load_file(L, file, NULL), name, file);
}

/* Calls package.searchpath(name at 1, path): the file is pushed, or the reason with false. */
static bool search_in(lua_State *L, const char *path) {
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_getfield(L, -1, "package");
	lua_getfield(L, -1, "searchpath");
	lua_pushvalue(L, 1);
	lua_pushstring(L, path);
	lua_call(L, 2, 2);
	bool found = !lua_isnil(L, -2);
	if (found)
		lua_pop(L, 1);
	return found;
}

/* The directories of the distribution, and of what was installed beside it. */
static int search_distribution(lua_State *L) {
	static const char modules[] = "/usr/local/share" REEF_LOAD_LUA "?.lua;/usr/local/share" REEF_LOAD_LUA "?/init.lua;"
								  "/usr/share" REEF_LOAD_LUA "?.lua;/usr/share" REEF_LOAD_LUA "?/init.lua";
	static const char libraries[] =
			"/usr/local/lib" REEF_LOAD_LUA "?.so;/usr/lib/" REEF_ARCHITECTURE REEF_LOAD_LUA "?.so;"
			"/usr/lib" REEF_LOAD_LUA "?.so";
	const char *name = reef_check_name(L, 1);
	if (search_in(L, modules)) {
		const char *file = lua_tostring(L, -1);
		return searcher_found(L, load_file(L, file, NULL), name, file);
	}
	if (!search_in(L, libraries))
		return 1;
	const char *file = lua_tostring(L, -1);
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "loadlib");
	lua_pushvalue(L, -3);
	lua_pushfstring(L, "luaopen_%s", luaL_gsub(L, name, ".", "_"));
	lua_remove(L, -2);
	lua_call(L, 2, 2);
	if (!lua_isnil(L, -2)) {
		lua_pop(L, 1);
		return searcher_found(L, LUA_OK, name, file);
	}
	lua_remove(L, -2);
	return searcher_found(L, LUA_ERRRUN, name, file);
}

void reef_load_open(lua_State *L) {
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchers");
	/* preload, own, path, C, all-in-one, distribution */
	for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
		lua_rawgeti(L, -1, i);
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushcfunction(L, search_own);
	lua_rawseti(L, -2, 2);
	lua_pushcfunction(L, search_path);
	lua_rawseti(L, -2, 3);
	lua_pushcfunction(L, search_distribution);
	lua_rawseti(L, -2, 6);
	lua_pop(L, 2);
	lua_pushcfunction(L, load_loadfile);
	lua_setglobal(L, "loadfile");
	lua_pushcfunction(L, load_dofile);
	lua_setglobal(L, "dofile");
	lua_getglobal(L, "require");
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, "reef.require");
	lua_pushcclosure(L, load_require, 1);
	lua_setglobal(L, "require");
}
