/* What a VM's libraries are: the standard ones and the host's functions in them. Knows no service; the stock functions
 * behind ours are the same in every VM, and noted once for the process. */
#include "libraries.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "collector.h"
#include "core/seam.h"
#include "core/sim.h"
#include "coroutine.h"
#include "debug_library.h"
#include "host.h"
#include "load.h"
#include "lua_execute.h"
#include "lua_paths.h"
#include "sim_libraries.h"

#include "host_private.h"

static lua_CFunction stock_collectgarbage;

/* Who sets the collector's mode while the service starts keeps it. */
static int libraries_collectgarbage(lua_State *L) {
	const char *option = luaL_optstring(L, 1, "collect");
	if (strcmp(option, "incremental") == 0 || strcmp(option, "generational") == 0)
		reef_host_get(L)->collector_chosen = true;
	if (strcmp(option, "count") != 0)
		reef_collector_as_usual(L);
	return __atomic_load_n(&stock_collectgarbage, __ATOMIC_RELAXED)(L);
}

/* As the stock one, but a line goes out in one piece: what other services print, and lines of the log, come before it or
 * behind it, not in between. */
static int libraries_print(lua_State *L) {
	int n = lua_gettop(L);
	luaL_Buffer line;
	luaL_buffinit(L, &line);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&line, '\t');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&line);
	}
	luaL_addchar(&line, '\n');
	luaL_pushresult(&line);
	size_t size;
	const char *text = lua_tolstring(L, -1, &size);
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		seam->act(seam, REEF_SEAM_PRINT, &(struct reef_seam_about){.bytes = text, .size = size});
	fwrite(text, 1, size, stdout);
	fflush(stdout);
	return 0;
}

/* A C library stays when the VM that has loaded it ends: its functions may be at work on other threads. */
static void keep_c_libraries(lua_State *L) {
	lua_getfield(L, LUA_REGISTRYINDEX, "_CLIBS");
	lua_pushnil(L);
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

void reef_libraries_open(lua_State *L) {
	luaL_openlibs(L);
	keep_c_libraries(L);
	lua_pushcfunction(L, libraries_print);
	lua_setglobal(L, "print");
	lua_getglobal(L, "collectgarbage");
	__atomic_store_n(&stock_collectgarbage, lua_tocfunction(L, -1), __ATOMIC_RELAXED);
	lua_pushcfunction(L, libraries_collectgarbage);
	lua_setglobal(L, "collectgarbage");
	lua_getglobal(L, "os");
	lua_pushcfunction(L, reef_lua_execute);
	lua_setfield(L, -2, "execute");
	lua_pushcfunction(L, reef_lua_execute_exit);
	lua_setfield(L, -2, "exit");
	lua_getglobal(L, "coroutine");
	reef_coroutine_open(L);
	lua_pop(L, 3);
	reef_debug_library_open(L);
	if (reef_sim_on)
		reef_sim_libraries_open(L);
	reef_lua_paths_open(L);
	reef_load_open(L);
}
