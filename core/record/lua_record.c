/* See lua_record.h. Any service. */
#include "lua_record.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/host/host.h"
#include "core/host/name_check.h"
#include "files.h"
#include "recording.h"

#define ROOM 16 /* records beyond those that there were a moment ago */

/* want(name [, file]) */
static int record_want(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	reef_record_want(name, reef_opt_name(L, 2, NULL));
	return 0;
}

/* want_no_more(name) -> was it wanted? */
static int record_want_no_more(lua_State *L) {
	lua_pushboolean(L, reef_record_want_no_more(reef_check_name(L, 1)));
	return 1;
}

/* wanted() -> { name, ... } */
static int record_wanted(lua_State *L) {
	size_t size = reef_record_wanted(NULL, 0), found = size + 1;
	char *names = NULL;
	while (found > size) { /* others may want more meanwhile */
		size = found;
		names = lua_newuserdatauv(L, size, 0);
		found = reef_record_wanted(names, size);
	}
	lua_newtable(L);
	for (size_t at = 0; at < found; at += strlen(names + at) + 1) {
		lua_pushstring(L, names + at);
		lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	}
	return 1;
}

/* list() -> { { handle, name, path, bytes, stopped }, ... } */
static int record_list(lua_State *L) {
	size_t room = reef_recording_states(NULL, 0) + ROOM;
	struct reef_record_state *states = lua_newuserdatauv(L, room * sizeof *states, 0);
	size_t n = reef_recording_states(states, room);
	lua_newtable(L);
	for (size_t i = 0; i < n && i < room; i++) {
		lua_createtable(L, 0, 5);
		lua_pushinteger(L, states[i].handle);
		lua_setfield(L, -2, "handle");
		lua_pushstring(L, states[i].name);
		lua_setfield(L, -2, "name");
		lua_pushstring(L, states[i].path);
		lua_setfield(L, -2, "path");
		lua_pushinteger(L, (lua_Integer)states[i].bytes);
		lua_setfield(L, -2, "bytes");
		if (*states[i].stopped) {
			lua_pushstring(L, states[i].stopped);
			lua_setfield(L, -2, "stopped");
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

int reef_open_record(lua_State *L) {
	static const luaL_Reg functions[] = {{"want", record_want},
										 {"want_no_more", record_want_no_more},
										 {"wanted", record_wanted},
										 {"list", record_list},
										 {NULL, NULL}};
	reef_host_new_library(L, functions, 0);
	return 1;
}
