/* See unchanged.h. */
#include "unchanged.h"

#include "core/prefetch.h"

/* What is equal is the same table or the same bytes; tables are never equal here, since what is below them has to be seen. */
static inline bool is_equal(const TValue *old, const TValue *new) {
	if (rawtt(old) != rawtt(new))
		return false;
	switch (ttypetag(new)) {
	case LUA_VNUMINT:
		return ivalue(old) == ivalue(new);
	case LUA_VTRUE:
	case LUA_VFALSE:
		return true;
	case LUA_VSHRSTR:
		return eqshrstr(tsvalue(old), tsvalue(new));
	case LUA_VTABLE:
		return false;
	default:
		return reef_row_is_same(old, new);
	}
}

static inline bool is_same_key(const Node *a, const Node *b) {
	return keyisshrstr(a) && keyisshrstr(b) && eqshrstr(keystrval(a), keystrval(b));
}

/* Equal tables are mostly laid out alike, so a name is looked for in its own place first. */
static const TValue *value_for(const Node *n, int i, const Table *row) {
	TValue key;
	if (i < sizenode(row) && is_same_key(n, gnode(row, i)))
		return gval(gnode(row, i));
	getnodekey(NULL, &key, n);
	return luaH_get((Table *)row, &key);
}

static bool nodes_are_equal(const Table *source, const struct reef_row *row) {
	const Table *t = &row->table;
	unsigned int count = 0;
	for (int i = 0; i < sizenode(source); i++) {
		const Node *n = gnode(source, i);
		if (isempty(gval(n)))
			continue;
		if (reef_layout_in_array(n, t->alimit) || !is_equal(value_for(n, i, t), gval(n)))
			return false;
		count++;
	}
	return count == row->entries && count < REEF_MANY;
}

bool reef_unchanged(const Table *source, const struct reef_row *row) {
	unsigned int size = luaH_realasize(source);
	if (source->metatable != NULL || size != row->table.alimit)
		return false;
	for (unsigned int i = 0; i < size; i++) {
		if (!is_equal(&row->table.array[i], &source->array[i]))
			return false;
	}
	return nodes_are_equal(source, row);
}

#define LINE 64

static void expect_nodes(const Table *t) {
	const char *end = (const char *)gnode(t, sizenode(t));
	for (const char *p = (const char *)t->node; p < end && p < (const char *)t->node + 4 * LINE; p += LINE)
		reef_prefetch(p);
}

/* Strings that are the same are often two; of names, which mostly are one, nothing has to be seen. */
static void expect_strings(const Table *source, const Table *row) {
	int size = sizenode(source) < sizenode(row) ? sizenode(source) : sizenode(row);
	for (int i = 0; i < size && i < 16; i++) {
		const TValue *a = gval(gnode(source, i)), *b = gval(gnode(row, i));
		if (ttisstring(a) && ttisstring(b) && tsvalue(a) != tsvalue(b)) {
			reef_prefetch(tsvalue(a));
			reef_prefetch(tsvalue(b));
		}
	}
}

static bool both_lead_on(const Table *source, const struct reef_row *row, unsigned int at) {
	return at < source->alimit && at < row->table.alimit && ttistable(&source->array[at]) &&
		   ttistable(&row->table.array[at]);
}

/* Headers first, then what these lead to, then the strings in there. */
void reef_unchanged_expect(const Table *source, const struct reef_row *row, unsigned int at) {
	if (both_lead_on(source, row, at + 12)) {
		reef_prefetch(hvalue(&source->array[at + 12]));
		reef_prefetch(hvalue(&row->table.array[at + 12]));
	}
	if (both_lead_on(source, row, at + 6)) {
		expect_nodes(hvalue(&source->array[at + 6]));
		expect_nodes(hvalue(&row->table.array[at + 6]));
	}
	if (both_lead_on(source, row, at + 3))
		expect_strings(hvalue(&source->array[at + 3]), hvalue(&row->table.array[at + 3]));
}
