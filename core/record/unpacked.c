/* See unpacked.h. */
#include "unpacked.h"

#include <lauxlib.h>

#include "core/host/show.h"
#include "core/host/unpack.h"

struct bytes {
	const char *at;
	size_t size;
};

static int unpack(lua_State *L) {
	const struct bytes *bytes = lua_touserdata(L, 1);
	lua_settop(L, 0);
	int n = reef_unpack(L, bytes->at, bytes->size);
	if (n < 0)
		return lua_error(L);
	luaL_Buffer b;
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_newtable(L);
	for (int i = 1; i <= n; i++) {
		size_t size;
		const char *text = reef_show(L, i, &size);
		lua_pushlstring(L, text, size);
		lua_rawseti(L, n + 1, i);
		lua_settop(L, n + 1);
	}
	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addstring(&b, ", ");
		lua_rawgeti(L, n + 1, i);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	return 1;
}

int reef_unpacked_push(struct lua_State *L, const char *bytes, size_t size) {
	struct bytes all = {bytes, size};
	if (size == 0 || !lua_checkstack(L, 4))
		return 0;
	lua_pushcfunction(L, unpack);
	lua_pushlightuserdata(L, &all);
	if (lua_pcall(L, 1, 1, 0) == LUA_OK)
		return 1;
	lua_pop(L, 1);
	return 0;
}
