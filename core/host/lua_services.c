/* The Lua module `reef.services`: every living service with its counters, without asking any of them. So it answers
 * also when services are stuck. Columns instead of a table for each service: ten thousand of them are looked at often. */
#include "lua_services.h"
#include "core/handle.h"
#include "core/mailbox.h"

#include <lauxlib.h>

#include "allocator.h"
#include "core/service.h"
#include "host.h"
#include "kinds.h"

enum { ADDRESS = 1, DESCRIPTION, MESSAGES, CPU, QUEUED, BYTES, REFUSED, ERRORS, COLUMNS = ERRORS };

static void column_set(lua_State *L, int column, lua_Integer row, uint64_t value) {
	lua_pushinteger(L, (lua_Integer)value);
	lua_rawseti(L, column, row);
}

/* snapshot() -> address[], description[], messages[], cpu seconds[], queued messages[], bytes of its VM[],
 * refused messages[], errors that nobody caught[] */
static int services_snapshot(lua_State *L) {
	lua_settop(L, 1);
	size_t room = reef_handle_list(NULL, 0) + 16;
	uint32_t *handles = lua_newuserdatauv(L, room * sizeof(*handles), 0);
	size_t n = reef_handle_list(handles, room);
	if (n > room)
		n = room;
	lua_replace(L, 1);
	lua_settop(L, 1);
	for (int column = 0; column < COLUMNS; column++)
		lua_createtable(L, (int)n, 0);
	lua_Integer row = 0;
	for (size_t i = 0; i < n; i++) {
		struct reef_service_look look;
		if (!reef_service_look(handles[i], &look))
			continue;
		row++;
		column_set(L, 1 + ADDRESS, row, handles[i]);
		lua_pushstring(L, look.description);
		lua_rawseti(L, 1 + DESCRIPTION, row);
		column_set(L, 1 + MESSAGES, row, look.messages);
		lua_pushnumber(L, look.cpu_seconds);
		lua_rawseti(L, 1 + CPU, row);
		column_set(L, 1 + QUEUED, row, look.queued);
		column_set(L, 1 + BYTES, row, reef_allocator_bytes(handles[i]));
		column_set(L, 1 + REFUSED, row, look.refused);
		column_set(L, 1 + ERRORS, row, look.errors);
	}
	return COLUMNS;
}

/* slow(address) -> how many slow messages of each kind it handled, by the kind's name; nil if there were none */
static int services_slow(lua_State *L) {
	uint64_t counts[REEF_SERVICE_KINDS];
	if (!reef_service_slow((uint32_t)luaL_checkinteger(L, 1), counts))
		return 0;
	lua_createtable(L, 0, 1);
	for (int kind = 0; kind < REEF_SERVICE_KINDS; kind++) {
		if (counts[kind] == 0)
			continue;
		lua_pushinteger(L, (lua_Integer)counts[kind]);
		lua_setfield(L, -2, reef_kind_name((unsigned)kind));
	}
	return 1;
}

/* alive(address) -> boolean */
static int services_alive(lua_State *L) {
	lua_pushboolean(L, reef_service_alive((uint32_t)luaL_checkinteger(L, 1)));
	return 1;
}

/* limit(messages, bytes): of this service's mailbox; 0: none. */
static int services_limit(lua_State *L) {
	lua_Integer messages = luaL_checkinteger(L, 1), bytes = luaL_checkinteger(L, 2);
	luaL_argcheck(L, messages >= 0, 1, "negative limit");
	luaL_argcheck(L, bytes >= 0, 2, "negative limit");
	reef_mailbox_set_limit(reef_host_service(reef_host_of(L)), (uint64_t)messages, (uint64_t)bytes);
	return 0;
}

/* mailbox() -> messages and bytes that wait, those that were refused, the limits of both */
static int services_mailbox(lua_State *L) {
	struct reef_service_stat stat;
	reef_service_get_stat(reef_host_service(reef_host_of(L)), &stat, false);
	lua_pushinteger(L, (lua_Integer)stat.mqlen);
	lua_pushinteger(L, (lua_Integer)stat.waiting_bytes);
	lua_pushinteger(L, (lua_Integer)stat.refused);
	lua_pushinteger(L, (lua_Integer)stat.most_messages);
	lua_pushinteger(L, (lua_Integer)stat.most_bytes);
	return 5;
}

int reef_open_services(lua_State *L) {
	static const luaL_Reg functions[] = {{"snapshot", services_snapshot}, {"alive", services_alive},
										 {"limit", services_limit},       {"mailbox", services_mailbox},
										 {"slow", services_slow},         {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
