/* See model.h. A place is the index of a node. Equal keys hash alike in tables of one size, so the nodes of a table are
 * right for another one as they are, with the chains between them. */
#include "ov.h" /* before what includes lua.h, which shows less to those who are not of Lua's core */

#include "lent.h"
#include "model.h"

int reef_model_place(lua_State *L, const void *table) {
	Table *t = (Table *)table;
	const TValue *key = s2v(REEF_TOP(L) - 1);
	if (!ttisshrstring(key))
		return -1;
	const TValue *slot = luaH_getshortstr(t, tsvalue(key));
	return isabstkey(slot) ? -1 : cast_int(cast(const Node *, slot) - gnode(t, 0));
}

const void *reef_model_push(lua_State *L, const void *model) {
	const Table *from = model;
	Table *t = luaH_new(L);
	size_t n = sizenode(from);
	sethvalue2s(L, REEF_TOP(L), t);
	REEF_TOP(L)++;
	Node *nodes = luaM_newvector(L, n, Node);
	memcpy(nodes, from->node, n * sizeof(Node));
	t->node = nodes;
	t->lsizenode = from->lsizenode;
	t->lastfree = nodes + reef_last_free(from);
	t->metatable = from->metatable;
	invalidateTMcache(t);
	t->flags |= from->flags & REEF_HELD_BIT;
	/* To find memory for the nodes, all may have been collected and have grown old. */
	if (l_unlikely(isblack(t)))
		luaC_barrierback_(L, obj2gco(t));
	luaC_checkGC(L);
	return t;
}

void reef_model_put(lua_State *L, const void *table, int place) {
	Table *t = (Table *)table;
	const TValue *value = s2v(REEF_TOP(L) - 1);
	if (l_unlikely(reef_is_shared(t)))
		reef_own(L, t);
	setobj2t(L, gval(gnode(t, place)), value);
	luaC_barrierback(L, obj2gco(t), value);
	REEF_TOP(L)--;
}

void reef_model_clear(const void *table, int place) {
	Table *t = (Table *)table;
	setempty(gval(gnode(t, place)));
}

bool reef_model_has(const void *table, int place, const char *s, size_t size) {
	const Table *t = table;
	const TValue *value = gval(gnode(t, place));
	return ttisstring(value) && tsslen(tsvalue(value)) == size && memcmp(getstr(tsvalue(value)), s, size) == 0;
}
