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
	if (reef_has_held(from))
		reef_refers(L, obj2gco(t));
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

void reef_model_put_integer(const void *table, int place, long long value) {
	TValue *slot = gval(gnode((Table *)table, place));
	setivalue(slot, (lua_Integer)value);
}

void reef_model_put_number(const void *table, int place, double value) {
	TValue *slot = gval(gnode((Table *)table, place));
	setfltvalue(slot, (lua_Number)value);
}

/* Where the string with these bytes would be kept. */
static const void **kept_at(struct reef_model_kept *kept, const char *s, size_t n) {
	unsigned int hash = (unsigned int)n;
	if (n > 0)
		hash += (unsigned char)s[0] + (unsigned char)s[n / 2] * 3u + (unsigned char)s[n - 1] * 5u;
	return &kept->strings[hash % (sizeof(kept->strings) / sizeof(*kept->strings))];
}

static bool is_string(const TString *string, const char *s, size_t n) {
	return string != NULL && tsslen(string) == n && memcmp(getstr(string), s, n) == 0;
}

static void put_string(lua_State *L, Table *t, int place, const void *string) {
	TValue *slot = gval(gnode(t, place));
	setsvalue(L, slot, (TString *)string);
	luaC_barrierback(L, obj2gco(t), slot);
}

void reef_model_put_string(lua_State *L, const void *table, int place, const char *s, size_t n,
						   struct reef_model_kept *kept) {
	const void **string = kept_at(kept, s, n);
	if (!is_string(*string, s, n))
		*string = luaS_newlstr(L, s, n);
	put_string(L, (Table *)table, place, *string);
}

bool reef_model_put_kept(lua_State *L, const void *table, int place, const char *s, size_t n,
						 struct reef_model_kept *kept) {
	const void **string = kept_at(kept, s, n);
	if (is_string(*string, s, n)) {
		put_string(L, (Table *)table, place, *string);
		return true;
	}
	if (n <= LUAI_MAXSHORTLEN) {
		const stringtable *all = &G(L)->strt;
		__builtin_prefetch(&all->hash[lmod(luaS_hash(s, n, G(L)->seed), all->size)]);
	}
	return false;
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
