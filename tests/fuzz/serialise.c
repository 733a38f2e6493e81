/* Any bytes: reading them ends, in values or a refusal; values that were read are written and read again the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "core/host/pack.h"
#include "core/host/unpack.h"

static int write_again(lua_State *L) {
	reef_pack_string(L, 1);
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static lua_State *L;
	if (!L)
		L = luaL_newstate();
	lua_settop(L, 0);
	lua_pushcfunction(L, write_again);
	int n = reef_unpack(L, data, size);
	if (n < 0 || n > 200)
		return 0;
	/* A 33rd level with something in it can be read but not written. */
	if (lua_pcall(L, n, 1, 0) != LUA_OK)
		return 0;
	size_t again;
	const char *bytes = lua_tolstring(L, 1, &again);
	if (reef_unpack(L, bytes, again) != n)
		abort();
	return 0;
}
