/* The module `reef.log`: lines with a level, and from which level on lines are written. Own slice only. */
#include "lua_log.h"

#include <string.h>

#include <lauxlib.h>

#include "core/log.h"
#include "core/log_writer.h"
#include "core/seam.h"
#include "core/service_log.h"
#include "host_private.h"
#include "name_check.h"
#include "report.h"
#include "show.h"

/* ---- lines ---- */

static bool is_written(lua_State *L, enum reef_log_level level) {
	return reef_seam_number(REEF_SEAM_STATE, reef_service_logs(reef_host_get(L)->service, level));
}

int reef_lua_log_info(lua_State *L) {
	int n = lua_gettop(L);
	size_t size, label;
	const char *text;
	if (n == 1) {
		text = luaL_tolstring(L, 1, &size);
	} else {
		luaL_Buffer b;
		luaL_buffinit(L, &b);
		for (int i = 1; i <= n; i++) {
			if (i > 1)
				luaL_addchar(&b, ' ');
			luaL_tolstring(L, i, NULL);
			luaL_addvalue(&b);
		}
		luaL_pushresult(&b);
		text = lua_tolstring(L, -1, &size);
	}
	if (is_written(L, reef_log_level_of(text, size, &label)))
		reef_log_bytes(reef_host_get(L)->handle, text, size);
	return 0;
}

int reef_lua_log_failed(lua_State *L) {
	reef_report_logged(reef_host_get(L));
	return 0;
}

/* What is not written is not even made. */
static int put(lua_State *L, enum reef_log_level level, const char *label) {
	int n = lua_gettop(L);
	if (!is_written(L, level))
		return 0;
	luaL_checkstack(L, 8, NULL);
	lua_pushstring(L, label);
	for (int i = 1; i <= n; i++) {
		lua_pushstring(L, i > 1 ? " " : "");
		reef_show(L, i, NULL);
		lua_concat(L, 3);
	}
	size_t size;
	const char *text = lua_tolstring(L, -1, &size);
	reef_log_bytes(reef_host_get(L)->handle, text, size);
	return 0;
}

static int log_debug(lua_State *L) {
	return put(L, REEF_LOG_DEBUG, "debug: ");
}

static int log_info(lua_State *L) {
	return put(L, REEF_LOG_INFO, "");
}

static int log_warn(lua_State *L) {
	return put(L, REEF_LOG_WARN, "warning: ");
}

static int log_error(lua_State *L) {
	return put(L, REEF_LOG_ERROR, "error: ");
}

/* ---- thresholds ---- */

enum reef_log_level reef_lua_log_level(lua_State *L, int index) {
	enum reef_log_level level = REEF_LOG_INFO;
	const char *name = reef_check_name(L, index);
	if (!reef_log_level_parse(name, strlen(name), &level))
		luaL_error(L, "reef.log: there is no level %s: debug, verbose, info, warn and error are", name);
	return level;
}

/* enabled(level) -> is a line of this service's with that level written? */
static int log_enabled(lua_State *L) {
	lua_pushboolean(L, is_written(L, reef_lua_log_level(L, 1)));
	return 1;
}

/* set(level [, pattern]) */
static int log_set(lua_State *L) {
	enum reef_log_level level = reef_lua_log_level(L, 1);
	const char *pattern = reef_opt_name(L, 2, "*");
	if (!reef_service_log_set(pattern, level))
		return luaL_error(L, "reef.log: no rule for %s: it is too long, empty, or there are too many", pattern);
	return 0;
}

static void add_rule(void *ud, const char *pattern, enum reef_log_level level) {
	lua_State *L = ud;
	lua_createtable(L, 0, 2);
	lua_pushstring(L, pattern);
	lua_setfield(L, -2, "pattern");
	lua_pushstring(L, reef_log_level_name(level));
	lua_setfield(L, -2, "level");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* rules() -> list of { pattern = text, level = name }; the last that fits a service counts */
static int log_rules(lua_State *L) {
	luaL_checkstack(L, 5, NULL);
	lua_newtable(L);
	reef_log_threshold_each(add_rule, L);
	return 1;
}

/* numbers() -> lines by level, lost lines, bytes that wait, is it failing? */
static int log_numbers(lua_State *L) {
	struct reef_log_numbers numbers = reef_log_writer_numbers();
	lua_createtable(L, 0, REEF_LOG_LEVELS);
	for (int level = 0; level < REEF_LOG_LEVELS; level++) {
		lua_pushinteger(L, (lua_Integer)numbers.lines[level]);
		lua_setfield(L, -2, reef_log_level_name((enum reef_log_level)level));
	}
	lua_pushinteger(L, (lua_Integer)numbers.lost);
	lua_pushinteger(L, (lua_Integer)numbers.waiting);
	lua_pushboolean(L, numbers.failing);
	return 4;
}

int reef_open_log(lua_State *L) {
	static const luaL_Reg functions[] = {{"debug", log_debug}, {"info", log_info},       {"warn", log_warn},
										 {"error", log_error}, {"enabled", log_enabled}, {"set", log_set},
										 {"rules", log_rules}, {"numbers", log_numbers}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
