/* Detached answers: what skynet.response makes, functions that answer a request later and from anywhere.
 *
 * Each has a userdata, which is in the host's list until it has answered; when it is collected before, or the service
 * ends, the asker gets an error. Own slice only. */
#include "response.h"
#include "core/send.h"
#include "core/service.h"

#include <string.h>

#include <lauxlib.h>

#include "answer.h"
#include "core/seam.h"
#include "host_private.h"
#include "lua_message.h"
#include "pack.h"
#include "payload.h"

#define RESPONSE "reef.response"

struct reef_response {
	struct reef_host *host; /* NULL once it is used up */
	struct reef_link link;  /* in host->responses */
	int32_t session;
	uint32_t source;
	bool dead; /* the requester is gone */
};

static void response_detach(struct reef_response *r) {
	reef_link_remove(&r->link);
	r->host = NULL;
}

void reef_response_fail_all(struct reef_host *host) {
	struct reef_response *r;
	while ((r = reef_list_entry(reef_list_first(&host->responses), struct reef_response, link)) != NULL) {
		if (!r->dead)
			reef_send_error(host->handle, r->source, r->session, NULL);
		response_detach(r);
	}
}

void reef_response_down(struct reef_host *host, uint32_t source) {
	for (struct reef_link *link = reef_list_first(&host->responses); link;
		 link = reef_list_next(&host->responses, link)) {
		struct reef_response *r = reef_list_entry(link, struct reef_response, link);
		if (r->source == source)
			r->dead = true;
	}
}

/* Nobody can answer any more: the caller must not wait for ever. */
static int response_gc(lua_State *L) {
	struct reef_response *r = luaL_checkudata(L, 1, RESPONSE);
	if (r->host) {
		if (!r->dead)
			reef_send_error(r->host->handle, r->source, r->session, "the request was dropped without an answer");
		response_detach(r);
	}
	return 0;
}

static bool is_alive(uint32_t handle) {
	return reef_seam_number(REEF_SEAM_STATE, reef_service_alive(handle));
}

static int response_call(lua_State *L) {
	struct reef_response *r = lua_touserdata(L, lua_upvalueindex(1));
	const char *word = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
	if (word && strcmp(word, "TEST") == 0) {
		lua_pushboolean(L, r->host && !r->dead && is_alive(r->source));
		return 1;
	}
	if (!r->host)
		return luaL_error(L, "Can't response more than once");
	struct reef_host *host = r->host;
	bool delivered = !r->dead;
	if (!lua_toboolean(L, 1)) {
		size_t size = 0;
		const char *reason = lua_isnoneornil(L, 2) ? NULL : luaL_tolstring(L, 2, &size);
		if (delivered)
			reef_send_error_bytes(host->handle, r->source, r->session, reason, size);
		delivered = delivered && is_alive(r->source);
	} else {
		struct reef_message *m;
		if (lua_isnil(L, lua_upvalueindex(2))) {
			m = reef_pack_message(L, 2);
		} else {
			lua_pushvalue(L, lua_upvalueindex(2));
			lua_insert(L, 2);
			lua_call(L, lua_gettop(L) - 2, 2);
			m = reef_payload_check(L, 2);
		}
		if (delivered && r->host)
			delivered = reef_answer_send(host, r->session, r->source, m);
		else
			reef_message_free(m);
	}
	if (r->host)
		response_detach(r);
	lua_pushboolean(L, delivered);
	return 1;
}

static int response_to_nobody(lua_State *L) {
	(void)L;
	return 0;
}

/* response([pack]) */
int reef_response_new(lua_State *L) {
	lua_settop(L, 1);
	struct reef_host *host = reef_host_get(L);
	struct reef_task *task = host->running;
	if (!task || !(task->flags & TASK_OWES))
		return luaL_error(L, "no session");
	if (!task->session) {
		task->flags &= (uint8_t)~TASK_OWES;
		lua_pushcfunction(L, response_to_nobody);
		return 1;
	}
	if (lua_tocfunction(L, 1) == reef_lua_message_pack) {
		lua_pushnil(L);
		lua_replace(L, 1);
	}
	struct reef_response *r = lua_newuserdatauv(L, sizeof(*r), 0);
	*r = (struct reef_response){.session = task->session, .source = task->source};
	if (luaL_newmetatable(L, RESPONSE)) {
		lua_pushcfunction(L, response_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, response_call, 2);
	r->host = host;
	reef_list_push_front(&host->responses, &r->link);
	task->flags &= (uint8_t)~TASK_OWES;
	return 1;
}
