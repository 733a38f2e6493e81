/* See name_check.h. */
#include "name_check.h"

#include <lauxlib.h>
#include <string.h>

const char *reef_check_name(lua_State *L, int index) {
	size_t size;
	const char *name = luaL_checklstring(L, index, &size);
	if (strlen(name) != size)
		luaL_argerror(L, index, "a name or path must not contain a zero byte");
	return name;
}

const char *reef_opt_name(lua_State *L, int index, const char *absent) {
	return lua_isnoneornil(L, index) ? absent : reef_check_name(L, index);
}

const char *reef_check_name_at(lua_State *L, int index, const char *what) {
	size_t size;
	const char *name = lua_tolstring(L, index, &size);
	if (name == NULL)
		luaL_error(L, "%s must be a string, not a %s", what, luaL_typename(L, index));
	else if (strlen(name) != size)
		luaL_error(L, "%s '%s' contains a zero byte", what, name);
	return name;
}
