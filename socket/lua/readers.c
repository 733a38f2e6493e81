/* See readers.h. */
#include "readers.h"

#include <lauxlib.h>

#include "core/host/host.h"
#include "core/log.h"
#include "core/service.h"
#include "socket/names/address.h"

static const char readers_key, notify_key;

void reef_readers_push(lua_State *L) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &readers_key) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &readers_key);
}

void reef_readers_set_notify(lua_State *L) {
	lua_rawsetp(L, LUA_REGISTRYINDEX, &notify_key);
}

void reef_readers_anchor(lua_State *L, const struct reef_reader *r, int index) {
	index = lua_absindex(L, index);
	reef_readers_push(L);
	lua_pushvalue(L, index);
	lua_rawseti(L, -2, r->id);
	lua_pop(L, 1);
}

void reef_readers_forget(lua_State *L, const struct reef_reader *r) {
	reef_readers_push(L);
	lua_pushnil(L);
	lua_rawseti(L, -2, r->id);
	lua_pop(L, 1);
}

/* ---- notices ---- */

static int notify_protected(lua_State *L) {
	const struct reef_readers_notice *notice = lua_touserdata(L, 1);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &notify_key);
	lua_pushstring(L, notice->what);
	lua_pushinteger(L, notice->id);
	lua_pushinteger(L, notice->number);
	if (notice->bytes)
		lua_pushlstring(L, notice->bytes, notice->n);
	else
		lua_pushnil(L);
	if (notice->from)
		lua_pushlstring(L, (const char *)notice->from->bytes, notice->from->size);
	else
		lua_pushnil(L);
	lua_call(L, 5, 0);
	return 0;
}

bool reef_readers_notify(struct reef_host *host, struct reef_readers_notice *notice) {
	lua_State *L = reef_host_main(host);
	lua_pushcfunction(L, notify_protected);
	lua_pushlightuserdata(L, notice);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return true;
	const char *text = lua_tostring(L, -1);
	reef_log(reef_service_handle(reef_host_service(host)), "error: socket: %s %d: %s", notice->what, notice->id,
			 text ? text : "(not a text)");
	lua_pop(L, 1);
	return false;
}
