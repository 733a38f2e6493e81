/* Tables of C functions, copied instead of built.
 *
 * The first VM that wants a table builds it field by field; its nodes are kept, with pooled strings as keys, and later
 * VMs get a table of the same size and a copy of them. Templates live as long as the process and do not change, so
 * finding one takes no lock.
 */
#include "library.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "core/alloc.h"
#include "sharetable/overlay/ov.h"
#include "sharetable/overlay/pool.h"

struct library {
	struct library *next;
	const luaL_Reg *functions;
	Node *nodes;
	ptrdiff_t last_free;
	lu_byte size_log2;
};

static _Atomic(struct library *) libraries;

static const struct library *library_find(const luaL_Reg *functions) {
	const struct library *library = atomic_load_explicit(&libraries, memory_order_acquire);
	while (library && library->functions != functions)
		library = library->next;
	return library;
}

/* False: a key is no identifier, so it cannot be shared. */
static bool share_keys(struct library *library) {
	for (int i = 0; i < 1 << library->size_log2; i++) {
		Node *node = &library->nodes[i];
		if (isempty(gval(node)))
			continue;
		TString *key = keyisshrstr(node) ? reef_pool_add(keystrval(node)) : NULL;
		if (key == NULL || iscollectable(gval(node)))
			return false;
		node->u.key_val.gc = obj2gco(key);
	}
	return true;
}

/* Two VMs may do so at the same time; one template too many does no harm. */
static void keep(const luaL_Reg *functions, const Table *t) {
	if (t->alimit != 0 || isdummy(t))
		return;
	size_t size = (size_t)sizenode(t) * sizeof(Node);
	struct library *library = reef_try_malloc(sizeof *library);
	Node *nodes = reef_try_malloc(size);
	if (library == NULL || nodes == NULL) {
		reef_free(library);
		reef_free(nodes);
		return;
	}
	*library = (struct library){.functions = functions,
								.nodes = memcpy(nodes, t->node, size),
								.last_free = t->lastfree - t->node,
								.size_log2 = t->lsizenode};
	if (!share_keys(library)) {
		reef_free(library->nodes);
		reef_free(library);
		return;
	}
	library->next = atomic_load(&libraries);
	while (!atomic_compare_exchange_weak(&libraries, &library->next, library))
		;
}

void reef_library_new(lua_State *L, const luaL_Reg *functions, int extra) {
	const struct library *library = library_find(functions);
	if (library == NULL) {
		int n = 0;
		while (functions[n].name)
			n++;
		lua_createtable(L, 0, n + extra);
		luaL_setfuncs(L, functions, 0);
		keep(functions, hvalue(s2v(REEF_TOP(L) - 1)));
		return;
	}
	lua_createtable(L, 0, 1 << library->size_log2);
	Table *t = hvalue(s2v(REEF_TOP(L) - 1));
	memcpy(t->node, library->nodes, sizeof(Node) << library->size_log2);
	t->lastfree = t->node + library->last_free;
}
