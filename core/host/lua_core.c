/* The tables of C functions that Lua sees: `reef.host` makes the table that lualib/skynet.lua completes, `skynet.core` is
 * the layer below of the API. */
#include "lua_core.h"
#include "core/send.h"

#include <lauxlib.h>
#include <string.h>

#include "answer.h"
#include "host_private.h"
#include "lua_answer.h"
#include "lua_call.h"
#include "lua_info.h"
#include "lua_log.h"
#include "lua_message.h"
#include "lua_protocol.h"
#include "lua_publish.h"
#include "lua_wait.h"
#include "payload.h"
#include "profile.h"
#include "response.h"
#include "target.h"
#include "trace.h"

/* ---- skynet.core's own forms ---- */

/* send(addr, type, session or nil for a new one, msg [, sz]) -> session */
static int core_send(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_target target = reef_target_check(L, 1);
	lua_Integer type = luaL_checkinteger(L, 2);
	luaL_argcheck(L, type >= 0 && type <= 255, 2, "no message type");
	bool new_session = lua_isnil(L, 3);
	int32_t session = new_session ? 0 : (int32_t)luaL_checkinteger(L, 3);
	struct reef_message *m = reef_payload_check(L, 4);
	if (new_session)
		session = reef_host_new_session(host);
	m->type = (uint8_t)type;
	m->session = session;
	m->source = 0;
	enum reef_offered offered = reef_target_deliver(host, target, m);
	if (offered == REEF_OFFER_FULL)
		lua_pushboolean(L, 0);
	if (offered != REEF_OFFER_TAKEN)
		return offered == REEF_OFFER_FULL;
	if (type == REEF_PTYPE_RESPONSE || type == REEF_PTYPE_ERROR)
		reef_answer_settled(host, target.handle, session);
	lua_pushinteger(L, session);
	return 1;
}

static const luaL_Reg core[] = {
		{"send", core_send},
		{"redirect", reef_lua_message_redirect},
		{"genid", reef_lua_info_genid},
		{"command", reef_lua_info_command},
		{"intcommand", reef_lua_info_intcommand},
		{"addresscommand", reef_lua_info_addresscommand},
		{"error", reef_lua_log_info},
		{"harbor", reef_lua_info_harbor},
		{"callback", reef_lua_protocol_callback},
		{"tostring", reef_lua_message_tostring},
		{"pack", reef_lua_message_pack},
		{"unpack", reef_lua_message_unpack},
		{"packstring", reef_lua_message_packstring},
		{"trash", reef_lua_message_trash},
		{"now", reef_lua_info_now},
		{"hpc", reef_lua_info_hpc},
		/* for lualib */
		{"blocked", reef_lua_wait_blocked},
		{"task", reef_lua_wait_task},
		{"tasks", reef_lua_wait_tasks},
		{"taskcount", reef_lua_wait_taskcount},
		{"post", reef_lua_call_post},
		{"publish", reef_lua_publish},
		{"forget", reef_lua_call_forget},
		{"protocol", reef_lua_protocol_get},
		{"exit", reef_lua_info_exit},
		{"failed", reef_lua_log_failed},
		{"memlimit", reef_lua_info_memlimit},
		{"trace", reef_trace_line},
		{"tracetag", reef_trace_tag},
		{"newtag", reef_trace_newtag},
		{"traceproto", reef_trace_protocol},
		{"tracecontext", reef_trace_context},
		{"tracewire", reef_trace_wire},
		{"turnsto", reef_lua_info_turnsto},
		{"profile_start", reef_profile_start},
		{"profile_stop", reef_profile_stop},
		{NULL, NULL},
};

/* Pushes the function of that name; false: there is none. */
static bool push_function(lua_State *L, const luaL_Reg *list, const char *name) {
	for (const luaL_Reg *f = list; f->name; f++) {
		if (strcmp(name, f->name) == 0) {
			lua_pushcfunction(L, f->func);
			return true;
		}
	}
	return false;
}

/* Pushes a table that gets its fields when they are asked for, and all of them when it is listed. */
static void push_lazy_table(lua_State *L, int room, lua_CFunction missing, lua_CFunction pairs) {
	lua_createtable(L, 0, room);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, missing);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, pairs);
	lua_setfield(L, -2, "__pairs");
	lua_setmetatable(L, -2);
}

/* The name at 2; NULL: it is not the name of anything here. */
static const char *name_asked_for(lua_State *L) {
	size_t size;
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &size) : NULL;
	return name && strlen(name) == size ? name : NULL;
}

/* Puts the value on top of the stack, which stays there, into the table at 1 under the name at 2. */
static int keep_field(lua_State *L) {
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, 1);
	return 1;
}

static int core_missing(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	const char *name = name_asked_for(L);
	return name && push_function(L, core, name) ? keep_field(L) : 0;
}

static int push_next(lua_State *L) {
	lua_getglobal(L, "next");
	lua_pushvalue(L, 1);
	return 2;
}

static int pairs_of_core(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	for (const luaL_Reg *f = core; f->name; f++) {
		lua_getfield(L, 1, f->name);
		lua_pop(L, 1);
	}
	return push_next(L);
}

static int open_core(lua_State *L) {
	push_lazy_table(L, 0, core_missing, pairs_of_core);
	return 1;
}

/* ---- the table `skynet` ---- */

static const luaL_Reg functions[] = {
		{"send", reef_lua_message_send},
		{"rawsend", reef_lua_message_rawsend},
		{"call", reef_lua_call_call},
		{"rawcall", reef_lua_call_rawcall},
		{"redirect", reef_lua_message_redirect},
		{"ret", reef_lua_answer_ret},
		{"retpack", reef_lua_answer_retpack},
		{"response", reef_response_new},
		{"ignoreret", reef_lua_answer_ignoreret},
		{"context", reef_lua_answer_context},
		{"genid", reef_lua_info_genid},
		{"register_protocol", reef_lua_protocol_register},
		{"dispatch", reef_lua_protocol_dispatch},
		{"dispatch_unknown_request", reef_lua_protocol_unknown_request},
		{"dispatch_unknown_response", reef_lua_protocol_unknown_response},
		{"dispatch_message", reef_lua_protocol_message},
		{"fork", reef_lua_wait_fork},
		{"timeout", reef_lua_wait_timeout},
		{"sleep", reef_lua_wait_sleep},
		{"yield", reef_lua_wait_yield},
		{"wait", reef_lua_wait_wait},
		{"wakeup", reef_lua_wait_wakeup},
		{"killthread", reef_lua_wait_killthread},
		{"now", reef_lua_info_now},
		{"starttime", reef_lua_info_starttime},
		{"time", reef_lua_info_time},
		{"hpc", reef_lua_info_hpc},
		{"self", reef_lua_info_self},
		{"localname", reef_lua_info_localname},
		{"address", reef_lua_info_address},
		{"harbor", reef_lua_info_harbor},
		{"getenv", reef_lua_info_getenv},
		{"setenv", reef_lua_info_setenv},
		{"error", reef_lua_log_info},
		{"stat", reef_lua_info_stat},
		{"mqlen", reef_lua_info_mqlen},
		{"endless", reef_lua_info_endless},
		{"term", reef_lua_info_term},
		{"pack", reef_lua_message_pack},
		{"packstring", reef_lua_message_packstring},
		{"unpack", reef_lua_message_unpack},
		{"tostring", reef_lua_message_tostring},
		{"trash", reef_lua_message_trash},
		{NULL, NULL},
};

static const struct {
	const char *name;
	int value;
} constants[] = {
		{"TEXT", REEF_PTYPE_TEXT},     {"RESPONSE", REEF_PTYPE_RESPONSE}, {"MULTICAST", REEF_PTYPE_MULTICAST},
		{"CLIENT", REEF_PTYPE_CLIENT}, {"SYSTEM", REEF_PTYPE_SYSTEM},     {"HARBOR", REEF_PTYPE_HARBOR},
		{"SOCKET", REEF_PTYPE_SOCKET}, {"ERROR", REEF_PTYPE_ERROR},       {"QUEUE", REEF_PTYPE_QUEUE},
		{"DEBUG", REEF_PTYPE_DEBUG},   {"LUA", REEF_PTYPE_LUA},           {"SNAX", REEF_PTYPE_SNAX},
		{"TRACE", REEF_PTYPE_TRACE},
};

static bool push_constant(lua_State *L, const char *name) {
	for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
		if (strcmp(name, constants[i].name) == 0) {
			lua_pushinteger(L, constants[i].value);
			return true;
		}
	}
	return false;
}

/* The part that is written in Lua and rarely used: reef/base/extra.lua puts it into the table at 1. */
static void skynet_complete(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	if (host->completed)
		return;
	host->completed = true;
	lua_getfield(L, LUA_REGISTRYINDEX, "reef.require");
	lua_pushliteral(L, "reef.base.extra");
	lua_call(L, 1, 1);
	lua_pushvalue(L, 1);
	lua_call(L, 1, 0);
}

/* A service's table holds what the service has used, since a table with everything would be a tenth of a small
 * service's memory. This is called for what is not there yet. */
static int skynet_missing(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	const char *name = name_asked_for(L);
	if (name == NULL)
		return 0;
	if (strncmp(name, "PTYPE_", 6) == 0)
		return push_constant(L, name + 6);
	/* For who has no memory to say anything: it is not kept in the table, so that asking needs none. */
	if (strcmp(name, "end_without_a_word") == 0) {
		lua_pushcfunction(L, reef_lua_info_exit);
		return 1;
	}
	if (!push_function(L, functions, name)) {
		skynet_complete(L);
		lua_pushvalue(L, 2);
		lua_rawget(L, 1);
		return 1;
	}
	return keep_field(L);
}

/* Who lists the table sees everything. */
static int pairs_of_all(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	skynet_complete(L);
	for (const luaL_Reg *f = functions; f->name; f++) {
		lua_getfield(L, 1, f->name);
		lua_pop(L, 1);
	}
	for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
		lua_pushfstring(L, "PTYPE_%s", constants[i].name);
		lua_pushinteger(L, constants[i].value);
		lua_rawset(L, 1);
	}
	return push_next(L);
}

static int open_host(lua_State *L) {
	push_lazy_table(L, 16, skynet_missing, pairs_of_all);
	return 1;
}

void reef_core_setup(void) {
	static const lua_CFunction harmless[] = {
			core_missing,
			pairs_of_core,
			skynet_missing,
			pairs_of_all,
			reef_lua_protocol_register,
			reef_lua_protocol_dispatch,
			reef_lua_protocol_unknown_request,
			reef_lua_protocol_unknown_response,
			reef_lua_protocol_get,
			reef_lua_wait_timeout,
			reef_lua_info_getenv,
			reef_lua_message_packstring,
	};
	reef_host_preload("reef.host", open_host);
	reef_host_preload("skynet.core", open_core);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		reef_host_add_harmless(harmless[i]);
}
