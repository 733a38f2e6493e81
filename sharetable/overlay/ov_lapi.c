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

/* As the stock function does, but the closure is noted before the collector may call a finalizer. */
static void push_referrer(lua_State *L, lua_CFunction f, int n) {
	CClosure *closure = luaF_newCclosure(L, n);
	closure->f = f;
	REEF_TOP(L) -= n;
	for (int i = 0; i < n; i++)
		setobj2n(L, &closure->upvalue[i], s2v(REEF_TOP(L) + i));
	setclCvalue(L, s2v(REEF_TOP(L)), closure);
	REEF_TOP(L)++;
	reef_refers(L, obj2gco(closure));
	luaC_checkGC(L);
}

LUA_API void lua_pushcclosure(lua_State *L, lua_CFunction f, int n) {
	int refers = 0;
	for (int i = 1; i <= n; i++) {
		const TValue *v = s2v(REEF_TOP(L) - i);
		refers |= iscollectable(v) && reef_is_passing(gcvalue(v));
	}
	if (l_unlikely(refers))
		push_referrer(L, f, n);
	else
		stock_lua_pushcclosure(L, f, n);
}
