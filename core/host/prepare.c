/* A VM up to the point where its service's own code begins. Knows no messages: whoever calls tells of failures. */
#include "prepare.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "collector.h"
#include "core/alloc.h"
#include "core/log.h"
#include "host_private.h"
#include "libraries.h"
#include "load.h"
#include "seam.h"
#include "show.h"

/* Warnings come in pieces; errors of finalizers are among them. `@off` and `@on` are for this function. */
static void prepare_warning(void *ud, const char *text, int to_be_continued) {
	struct reef_host *host = ud;
	if (!host->warning && !to_be_continued && text[0] == '@') {
		if (strcmp(text, "@off") == 0)
			host->no_warnings = true;
		else if (strcmp(text, "@on") == 0)
			host->no_warnings = false;
		return;
	}
	size_t old = host->warning ? strlen(host->warning) : 0, size = strlen(text);
	char *warning = reef_try_realloc(host->warning, old + size + 1);
	if (warning == NULL) {
		reef_log_at(REEF_LOG_WARN, host->handle, "Lua warning: %s", text);
		return;
	}
	host->warning = warning;
	memcpy(host->warning + old, text, size + 1);
	if (to_be_continued)
		return;
	if (!host->no_warnings)
		reef_log_at(REEF_LOG_WARN, host->handle, "Lua warning: %s", host->warning);
	reef_free(host->warning);
	host->warning = NULL;
}

static int prepare_traceback(lua_State *L) {
	luaL_traceback(L, L, reef_show(L, 1, NULL), 1);
	return 1;
}

static int open_libraries_of_vm(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	void (*open_libraries)(lua_State * L) = reef_host_hooks()->open_libraries;
	(open_libraries ? open_libraries : reef_libraries_open)(L);
	lua_newtable(L);
	host->functions = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* An error where nobody can be told: memory is gone while a message is handed to a coroutine. */
static int prepare_panic(lua_State *L) {
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "unknown error";
	fprintf(stderr, "reef: service :%08x: %s\n", reef_host_get(L)->handle, text);
	_exit(REEF_EXIT_NO_MEMORY);
}

static int prepare_main(lua_State *L) {
	const char *arguments = lua_touserdata(L, 1);
	struct reef_host_seam *seam = reef_host_seam_of(reef_host_get(L));
	if (seam)
		seam->opened(seam, L);
	return reef_load_main(L, arguments);
}

int reef_prepare(struct reef_host *host, lua_Alloc allocator, void *ud, const char *arguments) {
	lua_State *L = lua_newstate(allocator, ud);
	if (!L)
		return LUA_ERRMEM;
	lua_atpanic(L, prepare_panic);
	reef_task_set_header(L, &host->none);
	host->L = L;
	host->active = L;
	lua_setwarnf(L, prepare_warning, host);
	lua_gc(L, LUA_GCSTOP);
	lua_pushcfunction(L, prepare_traceback);
	lua_pushcfunction(L, open_libraries_of_vm);
	int status = lua_pcall(L, 0, 0, REEF_PREPARED_TRACEBACK);
	if (status != LUA_OK)
		return status;
	lua_gc(L, LUA_GCRESTART);
	reef_collector_allowance(L);
	lua_pushcfunction(L, prepare_main);
	lua_pushlightuserdata(L, (void *)(uintptr_t)arguments);
	return lua_pcall(L, 1, 2, REEF_PREPARED_TRACEBACK);
}

static int run_main(lua_State *L) {
	const char *arguments = lua_touserdata(L, 2);
	lua_settop(L, 1);
	return lua_isnil(L, 1) ? 0 : reef_load_run_main(L, arguments);
}

int reef_prepare_begin(lua_State *L, const char *arguments) {
	lua_pushcfunction(L, run_main);
	lua_pushvalue(L, REEF_PREPARED_MAIN);
	lua_pushlightuserdata(L, (void *)(uintptr_t)arguments);
	return lua_pcall(L, 2, 0, REEF_PREPARED_TRACEBACK);
}
