/* Functions for Lua about the service itself, the process, and time. Own slice only. */
#include "lua_info.h"
#include "core/name.h"
#include "core/service.h"
#include "core/service_life.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/command.h"
#include "core/env.h"
#include "core/seam.h"
#include "core/sim.h"
#include "host_private.h"
#include "name_check.h"
#include "reply.h"
#include "target.h"
#include "task.h"
#include "watch.h"

/* ---- time ---- */

/* In a simulation nothing takes time that does not ask for it; who looks at the clock until it has gone on shall not look
 * for ever. */
static void look_at_clock(void) {
	if (reef_sim_on)
		reef_sim_advance_to(reef_sim_now() + REEF_SIM_LOOK_NS);
}

int reef_lua_info_now(lua_State *L) {
	look_at_clock();
	lua_pushinteger(L, (lua_Integer)reef_now_cs());
	return 1;
}

int reef_lua_info_starttime(lua_State *L) {
	lua_pushinteger(L, reef_start_time());
	return 1;
}

int reef_lua_info_time(lua_State *L) {
	look_at_clock();
	lua_pushnumber(L, (lua_Number)reef_start_time() + (lua_Number)reef_now_cs() / 100);
	return 1;
}

int reef_lua_info_hpc(lua_State *L) {
	look_at_clock();
	lua_pushinteger(L, (lua_Integer)reef_now_ns());
	return 1;
}

static int seconds(lua_State *L) {
	look_at_clock();
	lua_pushnumber(L, (lua_Number)(lua_Integer)reef_now_ns() / 1e9);
	return 1;
}

int reef_lua_info_open_now(lua_State *L) {
	lua_pushcfunction(L, seconds);
	return 1;
}

/* ---- names ---- */

int reef_lua_info_self(lua_State *L) {
	lua_pushinteger(L, reef_host_get(L)->handle);
	return 1;
}

/* localname(".x") -> address or nil */
int reef_lua_info_localname(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	uint32_t handle = name[0] == '.' ? reef_name_find(name + 1) : 0;
	handle = (uint32_t)reef_seam_number(REEF_SEAM_NAME, handle);
	if (!handle)
		return 0;
	lua_pushinteger(L, handle);
	return 1;
}

/* address(addr) -> text */
int reef_lua_info_address(lua_State *L) {
	if (lua_type(L, 1) == LUA_TNUMBER) {
		char text[16];
		reef_handle_text(text, (uint32_t)luaL_checkinteger(L, 1));
		lua_pushstring(L, text);
	} else {
		luaL_checkany(L, 1);
		luaL_tolstring(L, 1, NULL);
	}
	return 1;
}

/* harbor(addr) -> node id, is it another node's */
int reef_lua_info_harbor(lua_State *L) {
	lua_Integer handle = luaL_checkinteger(L, 1);
	lua_pushinteger(L, handle >> 24 & 0xff);
	lua_pushboolean(L, (handle ^ reef_host_get(L)->handle) >> 24 & 0xff);
	return 2;
}

/* ---- environment and log ---- */

int reef_lua_info_getenv(lua_State *L) {
	const char *key = reef_check_name(L, 1), *value = reef_env_get(key);
	struct reef_watch *watch = reef_watch_current();
	if (value == NULL && watch != NULL)
		reef_watch_asked_missing(watch, key);
	lua_pushstring(L, reef_seam_text(REEF_SEAM_STATE, value));
	return 1;
}

int reef_lua_info_setenv(lua_State *L) {
	const char *key = reef_check_name(L, 1);
	luaL_checkany(L, 2);
	luaL_tolstring(L, 2, NULL);
	if (!reef_seam_number(REEF_SEAM_RESULT, reef_env_set(key, reef_check_name_at(L, -1, key))))
		return luaL_error(L, "Can't setenv exist key : %s", key);
	return 0;
}

/* ---- statistics ---- */

static struct reef_service_stat service_stat(lua_State *L, bool clear) {
	struct reef_service_stat stat;
	reef_service_get_stat(reef_host_get(L)->service, &stat, clear);
	struct reef_seam *seam = reef_seam_here();
	if (seam) {
		seam->bytes(seam, REEF_SEAM_STATE, &stat, sizeof stat);
		reef_seam_mend(&stat.endless);
	}
	return stat;
}

/* stat(what) -> number */
int reef_lua_info_stat(lua_State *L) {
	const char *what = reef_check_name(L, 1);
	struct reef_service_stat stat = service_stat(L, strcmp(what, "endless") == 0);
	if (strcmp(what, "mqlen") == 0)
		lua_pushinteger(L, (lua_Integer)stat.mqlen);
	else if (strcmp(what, "message") == 0)
		lua_pushinteger(L, (lua_Integer)stat.messages);
	else if (strcmp(what, "refused") == 0)
		lua_pushinteger(L, (lua_Integer)stat.refused);
	else if (strcmp(what, "mqbytes") == 0)
		lua_pushinteger(L, (lua_Integer)stat.waiting_bytes);
	else if (strcmp(what, "endless") == 0)
		lua_pushinteger(L, stat.endless);
	else if (strcmp(what, "cpu") == 0)
		lua_pushnumber(L, stat.cpu_seconds);
	else if (strcmp(what, "time") == 0)
		lua_pushnumber(L, stat.message_seconds);
	else
		lua_pushinteger(L, 0);
	return 1;
}

int reef_lua_info_mqlen(lua_State *L) {
	lua_pushinteger(L, (lua_Integer)service_stat(L, false).mqlen);
	return 1;
}

int reef_lua_info_endless(lua_State *L) {
	lua_pushboolean(L, service_stat(L, true).endless);
	return 1;
}

int reef_lua_info_genid(lua_State *L) {
	lua_pushinteger(L, reef_host_new_session(reef_host_get(L)));
	return 1;
}

/* turnsto(name): what is asked next opens the partner of that name, who will answer more. A record says so. */
int reef_lua_info_turnsto(lua_State *L) {
	struct reef_seam_about about = {0};
	about.bytes = luaL_checklstring(L, 1, &about.size);
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		(void)seam->act(seam, REEF_SEAM_PARTNER, &about);
	return 0;
}

/* term(addr): as if that service had died. */
int reef_lua_info_term(lua_State *L) {
	reef_reply_down(reef_host_get(L), reef_target_check(L, 1).handle);
	return 0;
}

/* memlimit(bytes): once, in the main chunk. */
int reef_lua_info_memlimit(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	lua_Integer limit = luaL_checkinteger(L, 1);
	luaL_argcheck(L, limit > 0, 1, "must be positive");
	if (host->memory_limit || host->booted)
		return luaL_error(L, "memlimit can only be set once, before skynet.start");
	host->memory_limit = (size_t)limit;
	return 0;
}

/* exit(): never returns. */
int reef_lua_info_exit(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	host->exiting = true;
	struct reef_seam *seam = reef_seam_leave();
	reef_service_kill(host->handle);
	reef_seam_return(seam);
	if (!host->running || !lua_isyieldable(L))
		return luaL_error(L, "the service exits");
	host->exiting_task = host->running;
	return reef_task_block(L, host->running, NULL);
}

/* ---- commands ---- */

static bool is_own(const struct reef_host *host, const char *name, const char *parameter) {
	return strcmp(name, "TIMEOUT") == 0 || strcmp(name, "EXIT") == 0 ||
		   (strcmp(name, "KILL") == 0 && parameter && reef_address_parse(parameter) == host->handle);
}

/* Through the service's seam, if it has one, but for what is its own affair. */
static const char *run_command(struct reef_host *host, const char *name, const char *parameter) {
	struct reef_seam *seam = reef_seam_here();
	if (seam == NULL || is_own(host, name, parameter))
		return reef_command(host->service, name, parameter);
	const char *text = NULL;
	seam->act(seam, REEF_SEAM_COMMAND, &(struct reef_seam_about){.bytes = name, .size = strlen(name)});
	if (seam->act(seam, REEF_SEAM_COMMAND,
				  &(struct reef_seam_about){.bytes = parameter, .size = parameter ? strlen(parameter) : 0})) {
		(void)reef_seam_leave();
		text = reef_command(host->service, name, parameter);
		reef_seam_return(seam);
	}
	return seam->text(seam, REEF_SEAM_RESULT, text);
}

/* *gone: the service has ended itself, and the function must not return. */
static const char *command(lua_State *L, bool *gone) {
	const char *name = reef_check_name(L, 1);
	const char *parameter = NULL;
	if (!lua_isnoneornil(L, 2)) {
		luaL_tolstring(L, 2, NULL);
		parameter = reef_check_name_at(L, -1, name);
	}
	struct reef_host *host = reef_host_get(L);
	const char *text = run_command(host, name, parameter);
	*gone = (strcmp(name, "KILL") == 0 || strcmp(name, "EXIT") == 0) && reef_service_ending(host->service);
	return text;
}

/* command(name [, text]) -> text or nil */
int reef_lua_info_command(lua_State *L) {
	bool gone;
	const char *text = command(L, &gone);
	if (gone)
		return reef_lua_info_exit(L);
	lua_pushstring(L, text);
	return 1;
}

/* intcommand(name [, text]) -> number or nil */
int reef_lua_info_intcommand(lua_State *L) {
	bool gone;
	const char *text = command(L, &gone);
	if (gone)
		return reef_lua_info_exit(L);
	if (!text)
		return 0;
	if (lua_stringtonumber(L, text) == 0)
		lua_pushinteger(L, 0);
	return 1;
}

/* addresscommand(name [, text]) -> address or nil */
int reef_lua_info_addresscommand(lua_State *L) {
	bool gone;
	const char *text = command(L, &gone);
	if (gone)
		return reef_lua_info_exit(L);
	if (!text || text[0] != ':')
		return 0;
	lua_pushinteger(L, (lua_Integer)strtoul(text + 1, NULL, 16));
	return 1;
}
