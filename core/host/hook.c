/* Functions of the user's that the dispatcher calls on the main thread, outside any coroutine. Own slice only. */
#include "hook.h"
#include "core/service.h"

#include <stdio.h>

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

static void push_error(struct reef_host *host, const char *text) {
	lua_pushstring(host->L, text);
	reef_report_add(host, host->L);
	lua_pop(host->L, 2);
}

void reef_hook_unknown(struct reef_host *host, int hook, const char *what, const struct reef_message *m) {
	lua_State *L = host->L;
	/* Whoever ended was not waited for any more. */
	if (m->type == REEF_PTYPE_RESPONSE && m->source != 0 &&
		!reef_seam_number(REEF_SEAM_STATE, reef_service_alive(m->source)))
		return;
	if (hook) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, hook);
		lua_pushinteger(L, m->session);
		lua_pushinteger(L, m->source);
		lua_pushlightuserdata(L, m->data);
		lua_pushinteger(L, (lua_Integer)m->size);
		lua_pushinteger(L, m->type);
		reef_hook_call(host, 5);
		return;
	}
	char text[80];
	reef_log(host->handle, "%s (type %d): %.*s", what, m->type, (int)(m->size > 200 ? 200 : m->size),
			 m->data ? (const char *)m->data : "");
	snprintf(text, sizeof(text), "Unknown session : %d from %x", m->session, m->source);
	push_error(host, text);
}
