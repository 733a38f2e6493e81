/* How a shared table lies in memory: its array is exactly the dense part, its hash part has just the size it needs.
 *
 * Reading must never write, so whatever stock Lua computes when it first needs it is settled when the table is made: where
 * the array ends (`#t` has nothing to remember then), and which metamethods the table does not have. Any thread; the
 * tables belong to the caller.
 */
#ifndef REEF_SHARETABLE_LAYOUT_H
#define REEF_SHARETABLE_LAYOUT_H

#include <stdbool.h>

#include "sharetable/overlay/ov.h"

struct reef_layout {
	unsigned int array; /* values at 1 .. array */
	unsigned int hash;  /* other entries */
	unsigned char log_size;
};

/* What a shared copy of `t` needs. May note in `t` where its array ends, as stock Lua does. */
struct reef_layout reef_layout_of(Table *t);

/* Bytes of the two parts together. */
size_t reef_layout_size(const struct reef_layout *layout);

/* Gives a table (all zero) its parts, in `memory` of that size, aligned to 8 bytes: an array to be written and nodes for
 * luaH_set to fill. That does not allocate, and so cannot raise, as long as there are no more entries than planned. */
void reef_layout_apply(const struct reef_layout *layout, Table *t, void *memory);

/* Is this an entry of the array that begins the table? */
static inline bool reef_layout_in_array(const Node *n, unsigned int array) {
	return keyisinteger(n) && l_castS2U(keyival(n)) - 1u < array;
}

/* Lets the hash part of a copy, which is empty, lie as that of `t` does, if it can and `t` has lost no entry: each entry is
 * at the same index then, and is put there (reef_layout_put). Who has a key of the one at hand finds it at once in the
 * other. */
bool reef_layout_follow(const Table *t, Table *copy);

/* Puts an entry into the hash part of a copy, which has room for it. `at`: its index in what the copy follows, else -1. */
static inline void reef_layout_put(lua_State *L, Table *copy, int at, const TValue *key, TValue *value) {
	if (at < 0) {
		luaH_set(L, copy, key, value);
	} else {
		Node *n = gnode(copy, at);
		setnodekey(L, n, key);
		setobj(L, gval(n), value);
	}
}

/* All entries of a table: those of the dense part first, `at` is their index then. Begin with { .table, .dense }, where dense
 * is the table's own or the one that a copy will have. */
struct reef_entries {
	const Table *table;
	unsigned int dense, size, at;
	int node;
};

static inline struct reef_entries reef_entries_of(const Table *t, unsigned int dense) {
	return (struct reef_entries){.table = t, .dense = dense, .size = luaH_realasize(t)};
}

/* The next value, whose key it writes to `key`; NULL at the end. */
static inline const TValue *reef_entries_next(struct reef_entries *e, TValue *key) {
	const Table *t = e->table;
	while (e->at < e->dense || e->at < e->size) {
		unsigned int i = e->at++;
		const TValue *value = i < e->size ? &t->array[i] : luaH_getint((Table *)t, (lua_Integer)i + 1);
		if (!isempty(value)) {
			setivalue(key, (lua_Integer)i + 1);
			return value;
		}
	}
	while (e->node < sizenode(t)) {
		const Node *n = gnode(t, e->node++);
		if (!isempty(gval(n)) && !reef_layout_in_array(n, e->dense)) {
			key->value_ = n->u.key_val;
			key->tt_ = n->u.key_tt;
			return gval(n);
		}
	}
	return NULL;
}

/* Writes the places of the hash part's entries to `order`, which has room for twice as many as there are places, and returns
 * how many: set one after the other in a table of that size, they come to these places again if `t` has never lost an entry,
 * as no shared table has. */
size_t reef_layout_order(const Table *t, unsigned int dense, int *order);

/* Records have field names, dictionaries have data as keys: only the former are worth a place in the pool. */
bool reef_layout_is_record(const Table *t);

/* When the table is filled. `metamethods`: it may have some. */
void reef_layout_set_flags(lua_State *L, Table *t, bool metamethods);

#endif
