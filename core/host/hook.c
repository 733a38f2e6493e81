/* Functions of the user's that the dispatcher calls on the main thread, outside any coroutine. Own slice only. */
#include "hook.h"
#include "core/service.h"

#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>

#include "core/log.h"
#include "core/seam.h"
#include "host_private.h"
#include "report.h"

bool reef_hook_call(struct reef_host *host, int arguments) {
	lua_State *active = host->active;
	host->no_limit = false;
	host->active = host->L;
	int status = lua_pcall(host->L, arguments, 0, 0);
	host->active = active;
	host->no_limit = true;
	if (status != LUA_OK) {
		if (!host->exiting) {
			reef_report_add(host, host->L);
			lua_pop(host->L, 1);
		}
		lua_pop(host->L, 1);
	}
	return status == LUA_OK;
}

/* The arguments are a hook's: (session, source, msg, sz, type). Logs the message, and raises. */
static int unknown(lua_State *L, const char *what, int type) {
	const char *data = lua_touserdata(L, 3);
	lua_Integer size = data ? lua_tointeger(L, 4) : 0;
	int shown = size < 0 ? 0 : (int)(size > 200 ? 200 : size);
	reef_log(reef_host_get(L)->handle, "%s (type %d): %.*s", what, type, shown, data ? data : "");
	char text[80];
	snprintf(text, sizeof(text), "Unknown session : %d from %x", (int)lua_tointeger(L, 1),
			 (unsigned)lua_tointeger(L, 2));
	return luaL_error(L, "%s", text);
}

int reef_hook_unknown_request(lua_State *L) {
	return unknown(L, "Unknown request", (int)lua_tointeger(L, 5));
}

int reef_hook_unknown_response(lua_State *L) {
	return unknown(L, "Unknown response", REEF_PTYPE_RESPONSE);
}

void reef_hook_unknown(struct reef_host *host, int hook, lua_CFunction otherwise, const struct reef_message *m) {
	lua_State *L = host->L;
	/* Whoever ended was not waited for any more. */
	if (m->type == REEF_PTYPE_RESPONSE && m->source != 0 &&
		!reef_seam_number(REEF_SEAM_STATE, reef_service_alive(m->source)))
		return;
	if (hook)
		lua_rawgeti(L, LUA_REGISTRYINDEX, hook);
	else
		lua_pushcfunction(L, otherwise);
	lua_pushinteger(L, m->session);
	lua_pushinteger(L, m->source);
	lua_pushlightuserdata(L, m->data);
	lua_pushinteger(L, (lua_Integer)m->size);
	lua_pushinteger(L, m->type);
	reef_hook_call(host, 5);
}
