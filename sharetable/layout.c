/* How a shared table lies in memory. */
#include "layout.h"

#define RECORD_MAX 64

#define ALL_METAMETHODS_ABSENT cast_byte((1u << (TM_EQ + 1)) - 1)

/* For tables without hash part. Stock Lua has its own one, of the same content, and recognizes such tables by their
 * `lastfree`. */
static const Node empty_node = {.u = {.tt_ = LUA_VEMPTY, .key_tt = LUA_VNIL}};

struct reef_layout reef_layout_of(Table *t) {
	struct reef_layout layout = {0, 0, 0};
	unsigned int size = luaH_realasize(t);
	while (layout.array < size && !isempty(&t->array[layout.array]))
		layout.array++;
	if (layout.array == size && !isdummy(t)) {
		while (layout.array < (unsigned int)INT_MAX && !isempty(luaH_getint(t, (lua_Integer)layout.array + 1)))
			layout.array++;
	}
	for (unsigned int i = layout.array; i < size; i++)
		layout.hash += !isempty(&t->array[i]);
	for (int i = 0; i < sizenode(t); i++) {
		const Node *n = gnode(t, i);
		layout.hash += !isempty(gval(n)) && !reef_layout_in_array(n, layout.array);
	}
	if (layout.hash > 0)
		layout.log_size = cast_byte(luaO_ceillog2(layout.hash));
	return layout;
}

static size_t node_count(const struct reef_layout *layout) {
	return layout->hash == 0 ? 0 : (size_t)1 << layout->log_size;
}

size_t reef_layout_size(const struct reef_layout *layout) {
	return layout->array * sizeof(TValue) + node_count(layout) * sizeof(Node);
}

void reef_layout_apply(const struct reef_layout *layout, Table *t, void *memory) {
	size_t nodes = node_count(layout);
	/* It is on nobody's list, nor is it to come to that of a VM when Lua's code puts keys in (referrers.h). */
	t->tt = LUA_VTABLE;
	t->flags = REEF_HELD_BIT;
	t->alimit = layout->array;
	t->array = layout->array == 0 ? NULL : memory;
	t->lsizenode = layout->log_size;
	if (nodes == 0) {
		t->node = (Node *)&empty_node;
		t->lastfree = NULL;
		return;
	}
	t->node = (Node *)(void *)((TValue *)memory + layout->array);
	t->lastfree = t->node + nodes;
	for (size_t i = 0; i < nodes; i++) {
		Node *n = &t->node[i];
		gnext(n) = 0;
		setnilkey(n);
		setempty(gval(n));
	}
}

/* In a hash part that has never lost an entry, one that no other leads to is at the place that its hash says, and all others
 * are at the last places that were free when they came. So the former are set first, and the latter from the last place
 * on. */
size_t reef_layout_order(const Table *t, unsigned int dense, int *order) {
	int size = sizenode(t), *led_to = order + size;
	size_t all = 0, count = 0;
	memset(led_to, 0, (size_t)size * sizeof(*led_to));
	for (int i = 0; i < size; i++)
		if (gnext(gnode(t, i)) != 0)
			led_to[i + gnext(gnode(t, i))] = 1;
	for (int i = 0; i < size; i++)
		if (!led_to[i])
			order[all++] = i;
	for (int i = size - 1; i >= 0; i--)
		if (led_to[i])
			order[all++] = i;
	for (size_t i = 0; i < all; i++) {
		const Node *n = gnode(t, order[i]);
		if (!isempty(gval(n)) && !reef_layout_in_array(n, dense))
			order[count++] = order[i];
	}
	return count;
}

/* Could the hash part have come about without ever losing an entry? Then chains lead from entry to entry and have one place
 * each that their keys hash to, and no place is free above one that a chain leads to. */
static bool has_lost_nothing(const Table *t) {
	int last_empty = -1, first_led_to = sizenode(t);
	for (int i = 0; i < sizenode(t); i++) {
		const Node *n = gnode(t, i);
		int next = i + gnext(n);
		if (isempty(gval(n)))
			last_empty = i;
		if (next == i)
			continue;
		if (isempty(gval(n)) || isempty(gval(gnode(t, next))) || !reef_same_chain(t, n, gnode(t, next)))
			return false;
		if (next < first_led_to)
			first_led_to = next;
	}
	return last_empty < first_led_to;
}

/* Equal keys hash alike in tables of one size, but for those that hash by their address and have another one in a copy. A
 * copy has lost nothing, which reef_layout_order counts on. */
bool reef_layout_follow(const Table *t, Table *copy) {
	if (isdummy(t) || isdummy(copy) || t->lsizenode != copy->lsizenode || luaH_realasize(t) != copy->alimit)
		return false;
	for (int i = 0; i < sizenode(t); i++) {
		const Node *n = gnode(t, i);
		if (!isempty(gval(n)) && keyiscollectable(n) && novariant(keytt(n)) != LUA_TSTRING)
			return false;
	}
	if (!has_lost_nothing(t))
		return false;
	for (int i = 0; i < sizenode(t); i++)
		gnext(gnode(copy, i)) = gnext(gnode(t, i));
	return true;
}

bool reef_layout_is_record(const Table *t) {
	return !isdummy(t) && sizenode(t) <= RECORD_MAX;
}

void reef_layout_set_flags(lua_State *L, Table *t, bool metamethods) {
	t->flags = ALL_METAMETHODS_ABSENT;
	for (int event = 0; metamethods && event <= TM_EQ; event++) {
		if (!isempty(luaH_getshortstr(t, G(L)->tmname[event])))
			t->flags &= cast_byte(~(1u << event));
	}
}
