/* The tables of C functions that Lua sees: `reef.host` makes the table that lualib/skynet.lua completes, `skynet.core` is
 * the layer below of the API. */
#include <lauxlib.h>
#include <string.h>

#include "core/send.h"
#include "functions.h"
#include "lua_message.h"
#include "profile_private.h"

/* ---- skynet.core's own forms ---- */

/* send(addr, type, session or nil for a new one, msg [, sz]) -> session */
static int core_send(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_target target = reef_check_target(L, 1);
	lua_Integer type = luaL_checkinteger(L, 2);
	luaL_argcheck(L, type >= 0 && type <= 255, 2, "no message type");
	bool new_session = lua_isnil(L, 3);
	int32_t session = new_session ? 0 : (int32_t)luaL_checkinteger(L, 3);
	struct reef_message *m = reef_check_payload(L, 4);
	if (new_session)
		session = reef_host_new_session(host);
	m->type = (uint8_t)type;
	m->session = session;
	m->source = 0;
	enum reef_offered offered = reef_deliver(host, target, m);
	if (offered == REEF_OFFER_FULL)
		lua_pushboolean(L, 0);
	if (offered != REEF_OFFER_TAKEN)
		return offered == REEF_OFFER_FULL;
	if (type == REEF_PTYPE_RESPONSE || type == REEF_PTYPE_ERROR)
		reef_host_settled(host, target.handle, session);
	lua_pushinteger(L, session);
	return 1;
}

static const luaL_Reg core[] = {
		{"send", core_send},
		{"redirect", reef_core_redirect},
		{"genid", reef_core_genid},
		{"command", reef_core_command},
		{"intcommand", reef_core_intcommand},
		{"addresscommand", reef_core_addresscommand},
		{"error", reef_core_error},
		{"harbor", reef_core_harbor},
		{"callback", reef_core_callback},
		{"tostring", reef_core_tostring},
		{"pack", reef_core_pack},
		{"unpack", reef_core_unpack},
		{"packstring", reef_core_packstring},
		{"trash", reef_core_trash},
		{"now", reef_core_now},
		{"hpc", reef_core_hpc},
		/* for lualib */
		{"blocked", reef_core_blocked},
		{"task", reef_core_task},
		{"tasks", reef_core_tasks},
		{"taskcount", reef_core_taskcount},
		{"post", reef_core_post},
		{"forget", reef_core_forget},
		{"protocol", reef_core_protocol},
		{"exit", reef_core_exit},
		{"memlimit", reef_core_memlimit},
		{"trace", reef_core_trace},
		{"tracetag", reef_core_tracetag},
		{"newtag", reef_core_newtag},
		{"traceproto", reef_core_traceproto},
		{"profile_start", reef_core_profile_start},
		{"profile_stop", reef_core_profile_stop},
		{NULL, NULL},
};

int reef_open_core(lua_State *L) {
	reef_host_new_library(L, core, 0);
	return 1;
}

/* ---- the table `skynet` ---- */

static const luaL_Reg functions[] = {
		{"send", reef_core_send},
		{"rawsend", reef_core_rawsend},
		{"call", reef_core_call},
		{"rawcall", reef_core_rawcall},
		{"redirect", reef_core_redirect},
		{"ret", reef_core_ret},
		{"retpack", reef_core_retpack},
		{"response", reef_core_response},
		{"ignoreret", reef_core_ignoreret},
		{"context", reef_core_context},
		{"genid", reef_core_genid},
		{"register_protocol", reef_core_register_protocol},
		{"dispatch", reef_core_dispatch},
		{"dispatch_unknown_request", reef_core_dispatch_unknown_request},
		{"dispatch_unknown_response", reef_core_dispatch_unknown_response},
		{"dispatch_message", reef_core_dispatch_message},
		{"fork", reef_core_fork},
		{"timeout", reef_core_timeout},
		{"sleep", reef_core_sleep},
		{"yield", reef_core_yield},
		{"wait", reef_core_wait},
		{"wakeup", reef_core_wakeup},
		{"killthread", reef_core_killthread},
		{"now", reef_core_now},
		{"starttime", reef_core_starttime},
		{"time", reef_core_time},
		{"hpc", reef_core_hpc},
		{"self", reef_core_self},
		{"localname", reef_core_localname},
		{"address", reef_core_address},
		{"harbor", reef_core_harbor},
		{"getenv", reef_core_getenv},
		{"setenv", reef_core_setenv},
		{"error", reef_core_error},
		{"stat", reef_core_stat},
		{"mqlen", reef_core_mqlen},
		{"endless", reef_core_endless},
		{"term", reef_core_term},
		{"pack", reef_core_pack},
		{"packstring", reef_core_packstring},
		{"unpack", reef_core_unpack},
		{"tostring", reef_core_tostring},
		{"trash", reef_core_trash},
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

static bool push_function(lua_State *L, const char *name) {
	for (const luaL_Reg *f = functions; f->name; f++) {
		if (strcmp(name, f->name) == 0) {
			lua_pushcfunction(L, f->func);
			return true;
		}
	}
	return false;
}

/* The part that is written in Lua and rarely used: skynet/extra.lua puts it into the table at 1. */
static void complete(lua_State *L) {
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
static int missing(lua_State *L) {
	lua_settop(L, 2);
	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	size_t size;
	const char *name = lua_tolstring(L, 2, &size);
	if (strlen(name) != size)
		return 0;
	if (strncmp(name, "PTYPE_", 6) == 0)
		return push_constant(L, name + 6);
	if (!push_function(L, name)) {
		complete(L);
		lua_pushvalue(L, 2);
		lua_rawget(L, 1);
		return 1;
	}
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_rawset(L, 1);
	return 1;
}

/* Who lists the table sees everything. */
static int pairs_of_all(lua_State *L) {
	lua_settop(L, 1);
	complete(L);
	for (const luaL_Reg *f = functions; f->name; f++) {
		lua_getfield(L, 1, f->name);
		lua_pop(L, 1);
	}
	for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
		lua_pushfstring(L, "PTYPE_%s", constants[i].name);
		lua_pushinteger(L, constants[i].value);
		lua_rawset(L, 1);
	}
	lua_getglobal(L, "next");
	lua_pushvalue(L, 1);
	return 2;
}

int reef_open_host(lua_State *L) {
	lua_createtable(L, 0, 16);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, missing);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, pairs_of_all);
	lua_setfield(L, -2, "__pairs");
	lua_setmetatable(L, -2);
	return 1;
}
