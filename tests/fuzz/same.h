/* For fuzzers that hold two ways of reading against each other: are the values that they made the same? */
#ifndef SAME_H
#define SAME_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include <lauxlib.h>

static inline int count_of(lua_State *L, int t, bool *integers) {
	int count = 0;
	for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1), count++)
		*integers |= lua_isinteger(L, -2) != 0;
	return count;
}

/* Are the values at these absolute indices the same in all that can be told apart? Tables of up to `ordered` pairs, none
 * with an integer for a key, also in the order in which they are gone through. */
static inline bool same(lua_State *L, int a, int b, int ordered) {
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
	bool in_order = !integers && count <= ordered;
	lua_pushnil(L); /* the key in b, if that is gone through, too */
	for (lua_pushnil(L); lua_next(L, a);) {
		/* key in b, key, value; then what b has: key, value */
		lua_pushvalue(L, in_order ? top + 1 : top + 2);
		if (in_order)
			assert(lua_next(L, b));
		else
			lua_pushvalue(L, -1), lua_rawget(L, b);
		if (!same(L, top + 2, top + 4, ordered) || !same(L, top + 3, top + 5, ordered))
			return false;
		lua_pop(L, 1);
		lua_replace(L, top + 1);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return true;
}

#endif
