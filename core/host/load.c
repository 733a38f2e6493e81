/* Where a service's code comes from.
 *
 * Modules are searched in package.preload, among the C modules of the rooms, in our own lualib, then as package.path and
 * package.cpath say, and in the end where distributions put them; so our modules are found whatever a configuration sets,
 * and those of the system although none names them. A room above may load files its own way (load_file of the host's
 * hooks).
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
#include "seam.h"
#include "watch.h"

enum { PATH_SIZE = 4096, REQUIRE_DEPTH = 100 };

#ifdef REEF_MULTIARCH
#define MULTIARCH_PATH "/usr/lib/" REEF_MULTIARCH "/lua/5.4/?.so;"
#else
#define MULTIARCH_PATH
#endif
/* Of modules in Lua and of those in C, as package.path and package.cpath. */
#define DISTRIBUTION_PATH                                                                                              \
	"/usr/local/share/lua/5.4/?.lua;/usr/local/share/lua/5.4/?/init.lua;"                                              \
	"/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua"
#define DISTRIBUTION_CPATH "/usr/local/lib/lua/5.4/?.so;" MULTIARCH_PATH "/usr/lib/lua/5.4/?.so"

/* As luaL_loadfilex for every file that a service loads. */
static int load_file(lua_State *L, const char *name, const char *mode) {
	reef_host_load *hook = reef_host_hooks()->load_file, *load = hook ? hook : luaL_loadfilex;
	struct reef_host_seam *seam = reef_host_seam_of(reef_host_get(L));
	int status = seam && name ? seam->load(seam, L, name, mode, load) : load(L, name, mode);
	if (status != LUA_OK) /* whoever tries again reads it anew */
		reef_watch_refuse("a file that cannot be loaded");
	return status;
}

/* Is the loader of services ours? It is unless the key `lualoader` names another one; the name of the API's own loader,
 * wherever it is said to lie, stands for ours. */
bool reef_load_has_own_loader(void) {
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

static const char blanks[] = " \t\n\v\f\r";

size_t reef_load_name_size(const char *arguments) {
	return strcspn(arguments, blanks);
}

bool reef_load_is_own_service(const char *arguments) {
	char relative[256];
	int n = snprintf(relative, sizeof(relative), "service/%.*s.lua", (int)reef_load_name_size(arguments), arguments);
	return n > 0 && (size_t)n < sizeof(relative) && reef_own_file(relative) != NULL;
}

/* Pushes the words of `text`, and says how many. May raise. */
static int push_words(lua_State *L, const char *text) {
	int count = 0;
	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		size_t size = strcspn(text, blanks);
		luaL_checkstack(L, 1, "too many arguments of a service");
		lua_pushlstring(L, text, size);
		text += size;
		count++;
	}
	return count;
}

int reef_load_main(lua_State *L, const char *arguments) {
	char path[PATH_SIZE], loader[PATH_SIZE];
	snprintf(path, sizeof(path), "%s/service/?.lua", reef_own_directory());
	const char *own_services = reef_load_is_own_service(arguments) ? path : NULL;
	snprintf(loader, sizeof(loader), "%s/loader.lua", reef_own_directory());
	bool is_own_loader = reef_load_has_own_loader();
	if (load_file(L, is_own_loader ? loader : reef_env_get("lualoader"), NULL) != LUA_OK)
		return lua_error(L);
	if (is_own_loader) {
		lua_pushstring(L, own_services);
		lua_call(L, 1 + push_words(L, arguments), 2);
	} else {
		set_loader_globals(L, own_services);
		lua_pushstring(L, arguments);
		lua_call(L, 1, 0);
		lua_pushnil(L);
		lua_pushliteral(L, "");
	}
	return 2;
}

int reef_load_run_main(lua_State *L, const char *arguments) {
	arguments += strspn(arguments, blanks);
	lua_call(L, push_words(L, arguments + strcspn(arguments, blanks)), 0);
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

static int load_require(lua_State *L);

/* Is a module of that name being loaded further down the stack? Asked only where the stack is as deep as no modules nest
 * that end: the stock require lets a module be loaded while it is being loaded. */
static bool requires_itself(lua_State *L, const char *name) {
	lua_Debug frame;
	if (!lua_getstack(L, REQUIRE_DEPTH, &frame))
		return false;
	for (int level = 1; lua_getstack(L, level, &frame); level++) {
		lua_getinfo(L, "f", &frame);
		bool loads = lua_tocfunction(L, -1) == load_require;
		lua_pop(L, 1);
		if (!loads || !lua_getlocal(L, &frame, 1))
			continue;
		bool same = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), name) == 0;
		lua_pop(L, 1);
		if (same)
			return true;
	}
	return false;
}

static int load_required(lua_State *L, int status, lua_KContext context) {
	int count = load_results(L, status, context);
	return count < 3 ? count : luaL_error(L, "%s", lua_tostring(L, -1));
}

/* In the main chunk the stock require, as if this were it: upvalue 1 is the table that it has there, so that its errors
 * have the line of the caller. In a coroutine that of skynet.require, in which module bodies may wait. */
static int load_require(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	lua_settop(L, 1);
	if (!reef_host_get(L)->running) {
		if (requires_itself(L, name))
			return luaL_error(L, "circular dependency: module %s is being loaded by who requires it", name);
		return lua_tocfunction(L, lua_upvalueindex(2))(L);
	}
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_pushliteral(L, "reef.base.require");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "load");
	lua_pushvalue(L, 1);
	lua_callk(L, 1, LUA_MULTRET, 2, load_required);
	return load_required(L, LUA_OK, 2);
}

/* ---- searchers ---- */

static int searcher_found(lua_State *L, int status, const char *name, const char *file) {
	if (status != LUA_OK)
		return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, file, lua_tostring(L, -1));
	lua_pushstring(L, file);
	return 2;
}

static const char init_file[] = "/init.lua";
typedef char relative_path[256];

/* Writes where a module of ours would lie, and returns how long its name is; 0: it is too long. */
static size_t write_relative(relative_path relative, const char *name) {
	size_t n = strlen(name);
	if (n > sizeof(relative_path) - sizeof(init_file))
		return 0;
	for (size_t i = 0; i < n; i++)
		relative[i] = name[i] == '.' ? '/' : name[i];
	memcpy(relative + n, ".lua", sizeof(".lua"));
	return n;
}

/* The file of our module of that name, NULL if there is none. */
static const char *own_module(const char *name) {
	relative_path relative;
	size_t n = write_relative(relative, name);
	if (n == 0)
		return NULL;
	const char *path = reef_own_file(relative);
	if (path)
		return path;
	memcpy(relative + n, init_file, sizeof(init_file));
	return reef_own_file(relative);
}

/* What is said of a module that is none of ours. */
static void push_not_ours(lua_State *L, const char *name) {
	relative_path relative;
	const char *meant = write_relative(relative, name) > 0 ? reef_own_meant(relative) : NULL;
	lua_pushfstring(L, "no module '%s' in %s", name, reef_own_directory());
	if (meant) {
		meant = luaL_gsub(L, luaL_gsub(L, meant, ".lua", ""), "/", ".");
		lua_pushfstring(L, "%s (did you mean %s?)", lua_tostring(L, -3), meant);
	}
}

/* The open function is upvalue 1. */
static int open_through_seam(lua_State *L) {
	struct reef_host_seam *seam = reef_host_seam_of(reef_host_get(L));
	return seam->module(seam, L, luaL_checkstring(L, 1), lua_tocfunction(L, lua_upvalueindex(1)));
}

/* C modules of the rooms, and our own lualib. */
static int search_own(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	lua_CFunction open = reef_host_preloaded(name);
	if (open && reef_host_seam_of(reef_host_get(L))) {
		lua_pushcfunction(L, open);
		lua_pushcclosure(L, open_through_seam, 1);
		lua_pushliteral(L, ":reef:");
		return 2;
	}
	if (open) {
		lua_pushcfunction(L, open);
		lua_pushliteral(L, ":reef:");
		return 2;
	}
	const char *path = own_module(name);
	if (path)
		return searcher_found(L, load_file(L, path, NULL), name, path);
	push_not_ours(L, name);
	return 1;
}

static void push_package(lua_State *L) {
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_getfield(L, -1, "package");
	lua_remove(L, -2);
}

/* Looks for the module at index 1 in the path on top of the stack, and puts the file in the path's place; NULL: what has
 * been tried. */
static const char *file_in_path(lua_State *L) {
	int path = lua_gettop(L);
	push_package(L);
	lua_getfield(L, -1, "searchpath");
	lua_pushvalue(L, 1);
	lua_pushvalue(L, path);
	struct reef_watch *watch = reef_watch_current();
	if (watch)
		watch->searching = true;
	lua_call(L, 2, 2);
	bool found = !lua_isnil(L, -2);
	if (watch) {
		watch->searching = false;
		reef_watch_searched(watch, lua_tostring(L, 1), lua_tostring(L, path), found ? lua_tostring(L, -2) : NULL);
	}
	lua_pushvalue(L, found ? -2 : -1);
	lua_replace(L, path);
	lua_settop(L, path);
	return found ? lua_tostring(L, path) : NULL;
}

/* As the stock searcher of package.path, with load_file. */
static int search_path(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	push_package(L);
	if (lua_getfield(L, -1, "path") != LUA_TSTRING)
		return luaL_error(L, "'package.path' must be a string");
	const char *file = file_in_path(L);
	return file ? searcher_found(L, load_file(L, file, NULL), name, file) : 1;
}

/* Where distributions put modules in Lua and in C. */
static int search_distribution(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	lua_settop(L, 1);
	lua_pushliteral(L, DISTRIBUTION_PATH);
	const char *file = file_in_path(L);
	if (file)
		return searcher_found(L, load_file(L, file, NULL), name, file);
	lua_pushliteral(L, "\n\t");
	lua_pushliteral(L, DISTRIBUTION_CPATH);
	file = file_in_path(L);
	if (file == NULL) {
		lua_concat(L, 3);
		return 1;
	}
	push_package(L);
	lua_getfield(L, -1, "loadlib");
	lua_pushstring(L, file);
	lua_pushfstring(L, "luaopen_%s", luaL_gsub(L, name, ".", "_"));
	lua_remove(L, -2);
	lua_call(L, 2, 2);
	bool loaded = !lua_isnil(L, -2);
	if (loaded)
		lua_pop(L, 1);
	return searcher_found(L, loaded ? LUA_OK : LUA_ERRFILE, name, file);
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
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 2);
	lua_pushcfunction(L, load_loadfile);
	lua_setglobal(L, "loadfile");
	lua_pushcfunction(L, load_dofile);
	lua_setglobal(L, "dofile");
	lua_getglobal(L, "require");
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, "reef.require");
	lua_getupvalue(L, -1, 1);
	lua_insert(L, -2);
	lua_pushcclosure(L, load_require, 2);
	lua_setglobal(L, "require");
}
