/* ltable.c with the hooks of ov.h: its writing entries refuse shared tables and make lent parts the table's own, and
 * traversals go on by content. */
#include "ov.h"

#include "lent.h"

#define luaH_set stock_luaH_set
#define luaH_setint stock_luaH_setint
#define luaH_finishset stock_luaH_finishset
#define luaH_next stock_luaH_next
#define luaH_free stock_luaH_free
static void stock_luaH_set(lua_State *L, Table *t, const TValue *key, TValue *value);
static void stock_luaH_setint(lua_State *L, Table *t, lua_Integer key, TValue *value);
static void stock_luaH_finishset(lua_State *L, Table *t, const TValue *key, const TValue *slot, TValue *value);
static int stock_luaH_next(lua_State *L, Table *t, StkId key);
static void stock_luaH_free(lua_State *L, Table *t) __attribute__((unused));
#include "ltable.c"
#undef luaH_set
#undef luaH_setint
#undef luaH_finishset
#undef luaH_next
#undef luaH_free

/* Behind this the table may be written. */
static void prepare_set(lua_State *L, Table *t, const TValue *key) {
	if (!reef_is_lent(t))
		reef_refuse(L, t, key);
	reef_own(L, t);
}

void luaH_set(lua_State *L, Table *t, const TValue *key, TValue *value) {
	if (l_unlikely(reef_is_shared(t)))
		prepare_set(L, t, key);
	stock_luaH_set(L, t, key, value);
}

void luaH_setint(lua_State *L, Table *t, lua_Integer key, TValue *value) {
	if (l_unlikely(reef_is_shared(t))) {
		TValue k;
		setivalue(&k, key);
		prepare_set(L, t, &k);
	}
	stock_luaH_setint(L, t, key, value);
}

void luaH_finishset(lua_State *L, Table *t, const TValue *key, const TValue *slot, TValue *value) {
	if (l_unlikely(reef_is_shared(t))) {
		if (isabstkey(slot))
			prepare_set(L, t, key);
		else
			slot = reef_own_slot(L, t, slot);
	}
	stock_luaH_finishset(L, t, key, slot, value);
}

int reef_same_chain(const Table *t, const Node *a, const Node *b) {
	TValue first, second;
	getnodekey(NULL, &first, a);
	getnodekey(NULL, &second, b);
	return mainpositionTV(t, &first) == mainpositionTV(t, &second);
}

/* As the stock function does, which asks for the end of an array that is not there, too. */
void luaH_free(lua_State *L, Table *t) {
	if (l_likely(!reef_is_shared(t))) {
		freehash(L, t);
		if (t->alimit > 0)
			luaM_freearray(L, t->array, luaH_realasize(t));
	}
	luaM_free(L, t);
}

/* Stock Lua finds the place of a string key by address, and the caller may hold another object with the same bytes. A
 * key that is not found is left to the stock function (it may be a dead one, which has to be found by address). */
int luaH_next(lua_State *L, Table *t, StkId key) {
	if (ttisshrstring(s2v(key))) {
		const TValue *slot = luaH_getshortstr(t, tsvalue(s2v(key)));
		if (!isabstkey(slot)) {
			int i = cast_int(cast(const Node *, slot) - gnode(t, 0)) + 1;
			for (; i < sizenode(t); i++) {
				Node *n = gnode(t, i);
				if (!isempty(gval(n))) {
					getnodekey(L, s2v(key), n);
					setobj2s(L, key + 1, gval(n));
					return 1;
				}
			}
			return 0;
		}
	}
	return stock_luaH_next(L, t, key);
}
