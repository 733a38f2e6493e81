/* lapi.c with the hooks of ov.h: lua_setmetatable refuses shared tables, and notes who has one that may go as its metatable; so
 * does lua_pushcclosure for upvalues. */
#include "ov.h"

#define lua_setmetatable stock_lua_setmetatable
#define lua_pushcclosure stock_lua_pushcclosure
static int stock_lua_setmetatable(lua_State *L, int index);
static void stock_lua_pushcclosure(lua_State *L, lua_CFunction f, int n);
#include "lapi.c"
#undef lua_setmetatable
#undef lua_pushcclosure

LUA_API int lua_setmetatable(lua_State *L, int index) {
	const TValue *o = index2value(L, index);
	if (ttistable(o) && l_unlikely(reef_is_shared(hvalue(o))) && !reef_is_lent(hvalue(o)))
		reef_refuse(L, hvalue(o), NULL);
	const TValue *metatable = s2v(REEF_TOP(L) - 1);
	if (ttistable(metatable) && l_unlikely(reef_is_passing(hvalue(metatable))) && (ttistable(o) || ttisfulluserdata(o)))
		reef_refers(L, gcvalue(o));
	return stock_lua_setmetatable(L, index);
}

LUA_API void lua_pushcclosure(lua_State *L, lua_CFunction f, int n) {
	int refers = 0;
	for (int i = 1; i <= n; i++) {
		const TValue *v = s2v(REEF_TOP(L) - i);
		refers |= iscollectable(v) && reef_is_passing(gcvalue(v));
	}
	stock_lua_pushcclosure(L, f, n);
	if (l_unlikely(refers))
		reef_refers(L, gcvalue(s2v(REEF_TOP(L) - 1)));
}
