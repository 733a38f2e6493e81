/* The Lua module `reef.look`: see lua_look.h. */
#include "lua_look.h"

#include <lauxlib.h>
#include <string.h>

#include "core/cycles.h"
#include "core/log_recent.h"
#include "core/scheduler.h"
#include "core/service.h"
#include "core/slow.h"
#include "host_private.h"
#include "kinds.h"
#include "lua_log.h"
#include "session.h"
#include "task.h"

static void set_text(lua_State *L, const char *name, const char *text) {
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double n) {
	lua_pushnumber(L, n);
	lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer n) {
	lua_pushinteger(L, n);
	lua_setfield(L, -2, name);
}

/* ---- coroutines ---- */

/* `of`: a word in front, or NULL. */
static const char *what_awaits(const struct reef_task *task, const struct reef_session *session, const char **of) {
	*of = NULL;
	if (task->state == TASK_READY)
		return session ? "timer" : "its turn";
	if (task->state == TASK_WOKEN)
		return "its turn";
	if (task->wait) {
		*of = task->wait->of;
		return task->wait->what ? task->wait->what : "something";
	}
	if (session == NULL)
		return "wait";
	return session->kind == SESSION_SLEEP ? "sleep" : session->dest ? "call" : "something";
}

/* tasks() -> list of { thread =, session =, what =, target = (who was called), source = (whose request it handles), seconds = (since
 * when) }; functions that wait for a timer have `f` in the place of the thread, and no `seconds`. */
static int look_tasks(lua_State *L) {
	const struct reef_host *host = reef_host_get(L);
	uint32_t now = reef_cycles_coarse(reef_cycles());
	lua_Integer n = 0;
	luaL_checkstack(L, 8, NULL);
	lua_newtable(L);
	for (const struct reef_task *task = host->all; task; task = task->all_next) {
		if (task->state != TASK_WAITING && task->state != TASK_WOKEN && task->state != TASK_READY)
			continue;
		const struct reef_session *session = task->awaited ? reef_session_find(&host->sessions, task->awaited) : NULL;
		lua_createtable(L, 0, 6);
		lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);
		lua_setfield(L, -2, "thread");
		set_integer(L, "session", task->awaited);
		const char *of, *what = what_awaits(task, session, &of);
		lua_pushfstring(L, "%s%s%s", of ? of : "", of ? " " : "", what);
		lua_setfield(L, -2, "what");
		if (session && session->dest)
			set_integer(L, "target", session->dest);
		if (task->source)
			set_integer(L, "source", task->source);
		if (task->state == TASK_WAITING)
			set_number(L, "seconds", reef_cycles_coarse_to_seconds(now - task->since));
		lua_rawseti(L, -2, ++n);
	}
	for (uint32_t i = 0; i < host->sessions.used; i++) {
		const struct reef_session *session = &host->sessions.entries[i];
		if (session->kind != SESSION_FUNCTION && session->kind != SESSION_POST)
			continue;
		lua_createtable(L, 0, 4);
		lua_rawgeti(L, LUA_REGISTRYINDEX, host->functions);
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		lua_setfield(L, -3, "f");
		lua_pop(L, 1);
		set_integer(L, "session", session->session);
		set_text(L, "what", session->kind == SESSION_POST ? "call" : "timer");
		if (session->dest)
			set_integer(L, "target", session->dest);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

/* ---- services ---- */

/* doing(address) -> "runs", kind and source of the message, seconds | "queued" | "waits" | nil: no such service */
static int look_doing(lua_State *L) {
	struct reef_scheduler_look look;
	if (!reef_scheduler_look((uint32_t)luaL_checkinteger(L, 1), &look))
		return 0;
	lua_pushstring(L, look.runs ? "runs" : look.due ? "queued" : "waits");
	if (!look.runs)
		return 1;
	lua_pushstring(L, reef_kind_name(look.kind));
	lua_pushinteger(L, look.source);
	lua_pushnumber(L, look.seconds);
	return 4;
}

/* slow() -> list of { time =, seconds =, kind =, service =, source =, name = }, in no order */
static int look_slow(lua_State *L) {
	struct reef_slow *list = lua_newuserdatauv(L, 2 * REEF_SLOW_MOST * sizeof *list, 0);
	size_t n = reef_slow_list(list);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_createtable(L, 0, 6);
		set_number(L, "time", list[i].time);
		set_number(L, "seconds", list[i].seconds);
		set_text(L, "type", reef_kind_name(list[i].kind));
		set_integer(L, "service", list[i].service);
		set_integer(L, "source", list[i].source);
		set_text(L, "name", list[i].name);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* ---- the log ---- */

/* line([before [, level [, address]]]) -> id, time, level, source, text of the newest line before the line with that id, of
 * that level or above, of that service; nil: there is none */
static int look_line(lua_State *L) {
	lua_Integer before = luaL_optinteger(L, 1, 0);
	enum reef_log_level level = lua_isnoneornil(L, 2) ? REEF_LOG_DEBUG : reef_lua_log_level(L, 2);
	lua_Integer source = luaL_optinteger(L, 3, 0);
	struct reef_log_recent found;
	if (!reef_log_recent_find(before > 0 ? (uint64_t)before : UINT64_MAX, level, (uint32_t)source, &found))
		return 0;
	luaL_checkstack(L, 5, NULL);
	lua_pushinteger(L, (lua_Integer)found.id);
	lua_pushnumber(L, found.time);
	lua_pushstring(L, reef_log_level_name(found.level));
	lua_pushinteger(L, found.source);
	lua_pushlstring(L, found.text, found.size);
	return 5;
}

/* keep(): from now on lines of the log and the slowest messages are kept. */
static int look_keep(lua_State *L) {
	(void)L;
	reef_log_recent_keep();
	reef_slow_keep();
	return 0;
}

int reef_open_look(lua_State *L) {
	static const luaL_Reg functions[] = {{"tasks", look_tasks}, {"doing", look_doing}, {"slow", look_slow},
										 {"line", look_line},   {"keep", look_keep},   {NULL, NULL}};
	luaL_newlib(L, functions);
	set_text(L, "version", REEF_VERSION);
	return 1;
}
