/* Whatever text is taken for a table of constants, Lua makes the same table of it, in the same order where that is
 * promised. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "sharetable/literal.h"

#define ORDERED 64

static int count_of(lua_State *L, int t, bool *integers) {
	int count = 0;
	for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1), count++)
		*integers |= lua_isinteger(L, -2) != 0;
	return count;
}

/* Are the values at these absolute indices the same in all that can be told apart? */
static bool same(lua_State *L, int a, int b) {
	if (lua_type(L, a) != lua_type(L, b) || lua_isinteger(L, a) != lua_isinteger(L, b))
		return false;
	if (lua_type(L, a) == LUA_TNUMBER && signbit(lua_tonumber(L, a)) != signbit(lua_tonumber(L, b)))
		return false;
	if (!lua_istable(L, a))
		return lua_rawequal(L, a, b);
	luaL_checkstack(L, 10, NULL);
	int top = lua_gettop(L);
	bool integers = false;
	int count = count_of(L, a, &integers);
	if (count != count_of(L, b, &integers))
		return false;
	bool ordered = !integers && count <= ORDERED;
	lua_pushnil(L); /* the key in b, if that is gone through, too */
	for (lua_pushnil(L); lua_next(L, a);) {
		/* key in b, key, value; then what b has: key, value */
		lua_pushvalue(L, ordered ? top + 1 : top + 2);
		if (ordered)
			assert(lua_next(L, b));
		else
			lua_pushvalue(L, -1), lua_rawget(L, b);
		if (!same(L, top + 2, top + 4) || !same(L, top + 3, top + 5))
			return false;
		lua_pop(L, 1);
		lua_replace(L, top + 1);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static lua_State *L;
	static unsigned runs;
	if (L == NULL || ++runs % 10000 == 0) {
		if (L)
			lua_close(L);
		L = luaL_newstate();
	}
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	if (reef_literal_push(L, text, size)) {
		assert(lua_gettop(L) == 1);
		int status = luaL_loadbufferx(L, text, size, "=text", "t");
		assert(status == LUA_OK);
		lua_call(L, 0, 1);
		assert(same(L, 1, 2));
	}
	lua_settop(L, 0);
	free(text);
	return 0;
}
