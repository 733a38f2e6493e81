/* Which parts of tables are the same in all copies, and how they come to be lent: see copy_lend.h.
 *
 * They are if two builds have the same there, or objects that stand for the same shared one. Such parts leave the build as
 * if they had been freed, and the table's header has the same addresses in both. */
#include "sharetable/overlay/ov.h" /* before lua.h, which shows less to those who are not of Lua's core */

#include "copy_lend.h"

#include <sys/mman.h>

#include "copy_build.h"
#include "core/alloc.h"
#include "core/array.h"
#include "host_private.h"
#include "sharetable/overlay/lent.h"

struct lending {
	struct reef_build *a, *b;
	struct REEF_ARRAY(Table *) tables; /* of a */
	size_t size;
};

static struct reef_build_block *block_of(void *p) {
	return (struct reef_build_block *)p - 1;
}

/* What is at that place of the other build. */
static void *other_of(const struct lending *lending, const void *p) {
	return lending->b->memory + ((const char *)p - lending->a->memory);
}

/* Are both the same object of their builds? Others, such as a pooled string, have no block in front of them. */
static bool is_same_object(const struct lending *lending, const GCObject *o, const GCObject *other) {
	return (size_t)((const char *)o - lending->a->memory) < lending->a->used && other_of(lending, o) == other;
}

/* Puts the shared object that stands for one into both builds. False: each copy has another
 * value there, or the two differ. */
static bool make_same(const struct lending *lending, Value *value, Value *other, bool is_object) {
	if (memcmp(value, other, sizeof(*value)) == 0)
		return true;
	if (!is_object || !is_same_object(lending, value->gc, other->gc) || value->gc->tt == LUA_VTHREAD)
		return false;
	const void *shared = block_of(value->gc)->is;
	if (shared == NULL || shared == value->gc)
		return false;
	value->gc = other->gc = (GCObject *)shared;
	return true;
}

static bool make_same_array(const struct lending *lending, TValue *items, TValue *others, size_t count) {
	for (size_t i = 0; i < count; i++) {
		if (rawtt(&items[i]) != rawtt(&others[i]) ||
			!make_same(lending, &val_(&items[i]), &val_(&others[i]), iscollectable(&items[i])))
			return false;
	}
	return true;
}

static bool make_same_nodes(const struct lending *lending, Node *nodes, Node *others, size_t count) {
	for (size_t i = 0; i < count; i++) {
		Node *n = &nodes[i], *other = &others[i];
		if (rawtt(gval(n)) != rawtt(gval(other)) || keytt(n) != keytt(other) || gnext(n) != gnext(other) ||
			!make_same(lending, &val_(gval(n)), &val_(gval(other)), iscollectable(gval(n))) ||
			!make_same(lending, &keyval(n), &keyval(other), keyiscollectable(n)))
			return false;
	}
	return true;
}

/* If the two builds are not of one shape, whoever compares them will say so. */
static bool is_lendable(const struct lending *lending, Table *t) {
	const Table *other = other_of(lending, t);
	if ((size_t)((const char *)other - lending->b->memory) >= lending->b->used || other->tt != LUA_VTABLE ||
		!reef_can_lend(t))
		return false;
	struct reef_parts parts = reef_parts_of(t), others = reef_parts_of(other);
	if (parts.array_size != others.array_size || parts.nodes_size != others.nodes_size)
		return false;
	bool is_same = true;
	if (parts.array_size > 0)
		is_same = others.array == other_of(lending, parts.array) &&
				  make_same_array(lending, t->array, other->array, parts.array_size / sizeof(TValue));
	if (is_same && parts.nodes_size > 0)
		is_same = others.nodes == other_of(lending, parts.nodes) &&
				  make_same_nodes(lending, t->node, other->node, parts.nodes_size / sizeof(Node));
	return is_same;
}

static bool list_tables(struct lending *lending) {
	for (GCObject *o = G(lending->a->host->L)->allgc; o != NULL; o = o->next) {
		if (o->tt != LUA_VTABLE)
			continue;
		struct reef_parts parts = reef_parts_of(gco2t(o));
		size_t size = reef_lent_size(&parts);
		if (size == 0 || !is_lendable(lending, gco2t(o)))
			continue;
		if (!reef_array_reserve(&lending->tables, 1))
			return false;
		lending->tables.items[lending->tables.count++] = gco2t(o);
		lending->size += size;
	}
	return true;
}

static void take_out(struct reef_build *build, void *part, size_t size) {
	if (size == 0)
		return;
	block_of(part)->is = NULL;
	build->bytes -= size;
	G(build->host->L)->totalbytes -= (l_mem)size;
	G(build->host->L)->GCestimate -= size;
}

/* Returns where the next one's go. */
static char *lend(const struct lending *lending, Table *t, char *memory) {
	Table *other = other_of(lending, t);
	struct reef_parts parts = reef_parts_of(t), others = reef_parts_of(other);
	struct reef_parts lent = reef_lend(t, memory);
	reef_lend(other, memory);
	if (parts.array_size > 0)
		memcpy(lent.array, parts.array, parts.array_size);
	if (parts.nodes_size > 0)
		memcpy(lent.nodes, parts.nodes, parts.nodes_size);
	take_out(lending->a, parts.array, parts.array_size);
	take_out(lending->a, parts.nodes, parts.nodes_size);
	take_out(lending->b, others.array, others.array_size);
	take_out(lending->b, others.nodes, others.nodes_size);
	return memory + reef_lent_size(&parts);
}

bool reef_copy_lend(struct reef_build *a, struct reef_build *b, char **memory, size_t *size) {
	struct lending lending = {.a = a, .b = b};
	*memory = NULL;
	*size = 0;
	bool ok = list_tables(&lending);
	if (ok && lending.size > 0) {
		*size = lending.size;
		*memory = reef_try_map(lending.size);
		ok = *memory != NULL;
	}
	char *next = *memory;
	for (size_t i = 0; next != NULL && i < lending.tables.count; i++)
		next = lend(&lending, lending.tables.items[i], next);
	if (next != NULL)
		mprotect(*memory, lending.size, PROT_READ);
	reef_array_fini(&lending.tables);
	return ok;
}
