/* lapi.c with the hooks of ov.h, and lua_setmetatable refusing shared tables. */
#include "ov.h"

#define lua_setmetatable stock_lua_setmetatable
static int stock_lua_setmetatable(lua_State *L, int index);
#include "lapi.c"
#undef lua_setmetatable

LUA_API int lua_setmetatable(lua_State *L, int index) {
	const TValue *o = index2value(L, index);
	if (ttistable(o) && l_unlikely(reef_is_shared(hvalue(o))) && !reef_is_lent(hvalue(o)))
		reef_refuse(L, hvalue(o), NULL);
	return stock_lua_setmetatable(L, index);
}
