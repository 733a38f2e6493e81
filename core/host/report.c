/* What went wrong in a turn: gathered, and written to the log in one piece when the turn ends. Owned by the host; own
 * slice only. */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/service.h"
#include "core/sim.h"
#include "host_private.h"
#include "seam.h"
#include "show.h"

/* Only what is the user's, __tostring, is held to the limit of memory. */
static int describe(lua_State *L) {
	lua_State *failed = lua_touserdata(L, 1);
	struct reef_host *host = reef_host_get(L);
	luaL_argcheck(L, lua_checkstack(failed, 1), 1, "no stack left to describe the error on");
	lua_pushvalue(failed, -1);
	lua_xmove(failed, L, 1);
	host->no_limit = false;
	reef_show(L, 2, NULL);
	host->no_limit = true;
	/* A text that luaL_traceback is given ends at its first NUL. */
	lua_pushvalue(L, -1);
	lua_pushliteral(L, "\n");
	luaL_traceback(L, failed, NULL, 0);
	lua_concat(L, 3);
	return 2;
}

static void add_error(struct reef_host *host, const char *text, size_t size) {
	size_t old = host->errors_size;
	char *errors = old + size < UINT32_MAX ? reef_try_realloc(host->errors, old + size + 1) : NULL;
	if (errors == NULL) {
		/* Said at once, without the others of the turn. */
		reef_log_bytes(host->handle, text, size);
		return;
	}
	host->errors = errors;
	if (old)
		host->errors[old++] = '\n';
	memcpy(host->errors + old, text, size);
	host->errors_size = (uint32_t)(old + size);
}

void reef_report_add(struct reef_host *host, lua_State *failed) {
	lua_State *L = host->L;
	reef_service_note_error(host->service);
	bool no_limit = host->no_limit;
	host->no_limit = true;
	lua_pushcfunction(L, describe);
	lua_pushlightuserdata(L, failed);
	int status = lua_pcall(L, 1, 2, 0);
	host->no_limit = true;
	if (status != LUA_OK) {
		if (lua_type(L, -1) != LUA_TSTRING) {
			lua_pop(L, 1);
			lua_pushliteral(L, "error in error handling");
		}
		lua_pushvalue(L, -1);
	}
	size_t size;
	const char *text = lua_tolstring(L, -1, &size);
	add_error(host, text, size);
	lua_pop(L, 1);
	host->no_limit = no_limit;
}

void reef_report_logged(struct reef_host *host) {
	struct reef_host_seam *seam = reef_host_seam_of(host);
	if (seam && seam->failed)
		seam->failed(seam);
}

void reef_report_flush(struct reef_host *host, const struct reef_message *m) {
	if (!host->errors)
		return;
	static const struct reef_message none;
	if (!m)
		m = &none;
	char head[96];
	snprintf(head, sizeof head, "lua call [%x to :%x : %d msgsz = %zu] error : ", m->source, host->handle, m->session,
			 m->size);
	reef_log_error(host->handle, head, host->errors, host->errors_size);
	if (reef_sim_on)
		reef_sim_uncaught(host->errors, host->errors_size);
	reef_free(host->errors);
	host->errors = NULL;
	host->errors_size = 0;
	reef_report_logged(host);
}

const char *reef_report_text(const struct reef_host *host, size_t *size) {
	*size = host->errors_size;
	return host->errors;
}
