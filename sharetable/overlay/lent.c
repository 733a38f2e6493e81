/* See lent.h. In front of lent parts lies what an owner needs beside them; `lastfree` of the table leads there, which is of
 * no use while no key is put in. */
#include "ov.h" /* before what includes lua.h, which shows less to those who are not of Lua's core */

#include "lent.h"

/* What `lastfree` leads to. */
struct lent {
	Node *no_nodes;      /* what stands for them in a table that has none; NULL: it has */
	ptrdiff_t last_free; /* index of the node that `lastfree` led to */
};

struct reef_parts reef_parts_of(const Table *t) {
	struct reef_parts parts = {0};
	unsigned int size = luaH_realasize(t);
	if (size > 0) {
		parts.array = (char *)t->array;
		parts.array_size = size * sizeof(TValue);
	}
	if (!isdummy(t)) {
		parts.nodes = (char *)t->node;
		parts.nodes_size = (size_t)sizenode(t) * sizeof(Node);
	}
	return parts;
}

bool reef_can_lend(const Table *t) {
	if (reef_is_shared(t) || reef_has_held(t))
		return false;
	for (int i = 0; i < sizenode(t); i++) {
		/* A collector would mark that key as dead. */
		if (isempty(gval(gnode(t, i))) && keyiscollectable(gnode(t, i)))
			return false;
	}
	return true;
}

size_t reef_lent_size(const struct reef_parts *parts) {
	size_t size = parts->array_size + parts->nodes_size;
	return size == 0 ? 0 : sizeof(struct lent) + size + (parts->nodes_size == 0 ? sizeof(Node) : 0);
}

struct reef_parts reef_lend(Table *t, char *memory) {
	struct reef_parts parts = reef_parts_of(t);
	struct lent *lent = (void *)memory;
	*lent = isdummy(t) ? (struct lent){.no_nodes = t->node} : (struct lent){.last_free = t->lastfree - t->node};
	parts.array = (char *)(lent + 1);
	parts.nodes = parts.array + parts.array_size;
	t->lastfree = (void *)lent;
	t->node = (void *)parts.nodes;
	if (parts.array_size > 0)
		t->array = (void *)parts.array;
	if (parts.nodes_size == 0) { /* stock Lua's own for that is known by `lastfree` */
		Node *n = t->node;
		memset(n, 0, sizeof(*n));
		setnilkey(n);
		setempty(gval(n));
		t->lsizenode = 0;
	}
	t->marked |= REEF_SHARED_BIT;
	return parts;
}

void reef_own(lua_State *L, Table *t) {
	const struct lent *lent = (const void *)t->lastfree;
	size_t size = luaH_realasize(t) * sizeof(TValue);
	size_t nodes_size = lent->no_nodes ? 0 : (size_t)sizenode(t) * sizeof(Node);
	TValue *array = size > 0 ? luaM_malloc_(L, size, 0) : NULL;
	Node *node = nodes_size > 0 ? luaM_realloc_(L, NULL, 0, nodes_size) : lent->no_nodes;
	if (l_unlikely(node == NULL)) {
		luaM_freemem(L, array, size);
		luaM_error(L);
	}
	if (size > 0)
		t->array = memcpy(array, t->array, size);
	if (nodes_size > 0)
		memcpy(node, t->node, nodes_size);
	t->node = node;
	t->lastfree = lent->no_nodes ? NULL : node + lent->last_free;
	t->marked &= cast_byte(~REEF_SHARED_BIT);
}

ptrdiff_t reef_last_free(const Table *t) {
	return reef_is_lent(t) ? ((const struct lent *)(const void *)t->lastfree)->last_free : t->lastfree - t->node;
}

/* The place of a value in a table's parts, once these are its own. */
const TValue *reef_own_slot(lua_State *L, Table *t, const TValue *slot) {
	if (!reef_is_lent(t))
		reef_refuse_slot(L, t, slot);
	size_t in_array = (size_t)((const char *)slot - (const char *)t->array);
	size_t in_nodes = (size_t)((const char *)slot - (const char *)t->node);
	bool is_item = in_array < luaH_realasize(t) * sizeof(TValue);
	reef_own(L, t);
	return (const void *)(is_item ? (char *)t->array + in_array : (char *)t->node + in_nodes);
}

void reef_set_lent(lua_State *L, Table *t, const TValue *slot, const TValue *value) {
	slot = reef_own_slot(L, t, slot);
	setobj2t(L, cast(TValue *, slot), value);
	luaC_barrierback(L, obj2gco(t), value);
}
