/* The Lua module `reef.services`: every living service with its counters, without asking any of them. So it answers
 * also when services are stuck. Columns instead of a table for each service: ten thousand of them are looked at often. */
#include "services.h"

#include <lauxlib.h>

#include "host.h"
#include "service.h"

enum { ADDRESS = 1, DESCRIPTION, MESSAGES, CPU, QUEUED, BYTES, COLUMNS = BYTES };

static void set_integer(lua_State *L, int column, lua_Integer row, uint64_t value) {
	lua_pushinteger(L, (lua_Integer)value);
	lua_rawseti(L, column, row);
}

/* snapshot() -> address[], description[], messages[], cpu seconds[], queued messages[], bytes of its VM[] */
static int services_snapshot(lua_State *L) {
	lua_settop(L, 1);
	size_t room = reef_service_list(NULL, 0) + 16;
	uint32_t *handles = lua_newuserdatauv(L, room * sizeof(*handles), 0);
	size_t n = reef_service_list(handles, room);
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
		set_integer(L, 1 + ADDRESS, row, handles[i]);
		lua_pushstring(L, look.description);
		lua_rawseti(L, 1 + DESCRIPTION, row);
		set_integer(L, 1 + MESSAGES, row, look.messages);
		lua_pushnumber(L, look.cpu_seconds);
		lua_rawseti(L, 1 + CPU, row);
		set_integer(L, 1 + QUEUED, row, look.queued);
		set_integer(L, 1 + BYTES, row, reef_host_bytes(handles[i]));
	}
	return COLUMNS;
}

/* alive(address) -> boolean */
static int services_alive(lua_State *L) {
	lua_pushboolean(L, reef_service_alive((uint32_t)luaL_checkinteger(L, 1)));
	return 1;
}

int reef_open_services(lua_State *L) {
	static const luaL_Reg functions[] = {{"snapshot", services_snapshot}, {"alive", services_alive}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
