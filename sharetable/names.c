/* The names of the standard libraries' functions are the first identifiers of the pool: a VM that opens the libraries
 * then creates next to no strings. */
#include "names.h"

#include <lauxlib.h>
#include <lualib.h>

#include "sharetable/overlay/ov.h"
#include "sharetable/overlay/pool.h"

/* Pools the string keys of the table on top of the stack; goes down into tables among its values `depth` times. */
static void pool_keys(lua_State *L, int depth) {
	luaL_checkstack(L, 4, NULL);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const TValue *key = s2v(REEF_TOP(L) - 2);
		if (ttisshrstring(key))
			reef_pool_add(tsvalue(key));
		if (lua_istable(L, -1) && depth > 0)
			pool_keys(L, depth - 1);
		else if (lua_getmetatable(L, -1)) {
			if (depth > 0)
				pool_keys(L, depth - 1);
			lua_pop(L, 1);
		}
	}
}

static int pool_registry(lua_State *L) {
	luaL_openlibs(L);
	lua_pushvalue(L, LUA_REGISTRYINDEX);
	pool_keys(L, 3);
	return 0;
}

void reef_share_library_names(void) {
	lua_State *L = luaL_newstate();
	if (L == NULL)
		return;
	lua_pushcfunction(L, pool_registry);
	lua_pcall(L, 0, 0, 0);
	lua_close(L);
}
