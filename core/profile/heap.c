/* The walk through a heap: see heap.h. Small strings count for what they are found in. */
#include "sharetable/overlay/ov.h" /* before lua.h, which shows less to those who are not of Lua's core */

#include "core/clock.h"
#include "heap.h"

#include <stdio.h>

enum { SMALL_STRING = 256, LOOKS_BETWEEN = 512 };

/* ---- noting ---- */

static size_t size_of_proto(const Proto *p) {
	return sizeof(*p) + (size_t)p->sizecode * sizeof(*p->code) + (size_t)p->sizek * sizeof(*p->k) +
		   (size_t)p->sizep * sizeof(*p->p) + (size_t)p->sizelineinfo +
		   (size_t)p->sizeabslineinfo * sizeof(*p->abslineinfo) + (size_t)p->sizelocvars * sizeof(*p->locvars) +
		   (size_t)p->sizeupvalues * sizeof(*p->upvalues);
}

static size_t size_of_table(const Table *t) {
	if (reef_is_shared(t)) /* the rest is lent */
		return sizeof(*t);
	size_t nodes = isdummy(t) ? 0 : (size_t)sizenode(t);
	return sizeof(*t) + luaH_realasize(t) * sizeof(TValue) + nodes * sizeof(Node);
}

static size_t size_of_thread(const lua_State *L) {
	size_t stack = REEF_STACK(L) ? (size_t)(REEF_STACK_LAST(L) - REEF_STACK(L)) + EXTRA_STACK : 0;
	return sizeof(*L) + LUA_EXTRASPACE + stack * sizeof(StackValue) + L->nci * sizeof(CallInfo);
}

static enum reef_heap_type measure(const GCObject *o, size_t *size) {
	switch (o->tt) {
	case LUA_VSHRSTR:
	case LUA_VLNGSTR:
		*size = sizelstring(tsslen(gco2ts(o)));
		return REEF_HEAP_STRING;
	case LUA_VTABLE:
		*size = size_of_table(gco2t(o));
		return REEF_HEAP_TABLE;
	case LUA_VLCL:
		*size = (size_t)sizeLclosure(gco2lcl(o)->nupvalues);
		return REEF_HEAP_FUNCTION;
	case LUA_VCCL:
		*size = (size_t)sizeCclosure(gco2ccl(o)->nupvalues);
		return REEF_HEAP_FUNCTION;
	case LUA_VUSERDATA:
		*size = sizeudata(gco2u(o)->nuvalue, gco2u(o)->len);
		return REEF_HEAP_USERDATA;
	case LUA_VTHREAD:
		*size = size_of_thread(gco2th(o));
		return REEF_HEAP_THREAD;
	case LUA_VPROTO:
		*size = size_of_proto(gco2p(o));
		return REEF_HEAP_PROTO;
	default:
		*size = sizeof(UpVal);
		return REEF_HEAP_UPVALUE;
	}
}

/* Does it belong to no VM? */
static bool is_of_others(const GCObject *o) {
	return reef_is_shared(o) && !(o->tt == LUA_VTABLE && reef_is_lent(gco2t(o)));
}

static struct reef_heap_node *note(struct reef_heap *heap, const GCObject *o, enum reef_heap_edge edge) {
	static _Thread_local struct reef_heap_node nowhere; /* what is written there is read by nobody */
	if (o == NULL || is_of_others(o) || reef_ptrmap_get(&heap->seen, o) != NULL)
		return &nowhere;
	size_t size;
	enum reef_heap_type type = measure(o, &size);
	bool inside = type == REEF_HEAP_STRING && size < SMALL_STRING;
	if ((!inside && heap->nodes.count >= heap->most) || !reef_ptrmap_put(&heap->seen, o, heap)) {
		heap->full = true;
		return &nowhere;
	}
	heap->types[type].count++;
	heap->types[type].bytes += size;
	if (inside) {
		if (heap->next < heap->nodes.count)
			heap->nodes.items[heap->next].bytes += size;
		return &nowhere;
	}
	struct reef_heap_node *node = reef_array_add(&heap->nodes);
	if (node == NULL) {
		heap->full = true;
		return &nowhere;
	}
	*node = (struct reef_heap_node){
			.object = o, .bytes = size, .parent = (uint32_t)heap->next, .edge = (uint8_t)edge, .type = (uint8_t)type};
	return node;
}

static void note_root(struct reef_heap *heap, const GCObject *o, const char *text) {
	struct reef_heap_node *node = note(heap, o, REEF_HEAP_ROOT);
	if (node->object == o) {
		node->parent = (uint32_t)(heap->nodes.count - 1);
		node->by.text = text;
	}
}

static void note_value(struct reef_heap *heap, const TValue *v, enum reef_heap_edge edge, const TString *name) {
	if (iscollectable(v))
		note(heap, gcvalue(v), edge)->by.text = name;
}

/* ---- looking into ---- */

static void look_at_entry(struct reef_heap *heap, const Node *entry) {
	if (isempty(gval(entry)))
		return;
	if (keyiscollectable(entry) && !keyisshrstr(entry))
		note(heap, gckey(entry), REEF_HEAP_IS_KEY);
	else if (keyisshrstr(entry))
		note(heap, obj2gco(keystrval(entry)), REEF_HEAP_IS_KEY);
	if (!iscollectable(gval(entry)))
		return;
	if (keyisshrstr(entry))
		note_value(heap, gval(entry), REEF_HEAP_FIELD, keystrval(entry));
	else if (keyisinteger(entry))
		note(heap, gcvalue(gval(entry)), REEF_HEAP_INDEX)->by.index = keyival(entry);
	else
		note_value(heap, gval(entry), REEF_HEAP_OTHER_KEY, NULL);
}

/* From the cursor on, as many entries as may be looked at; true: all have been. The table may have changed meanwhile. */
static bool look_into_table(struct reef_heap *heap, const Table *t) {
	size_t items = luaH_realasize(t), all = items + (isdummy(t) ? 0 : (size_t)sizenode(t));
	if (heap->cursor == 0 && t->metatable)
		note(heap, obj2gco(t->metatable), REEF_HEAP_METATABLE);
	for (int left = LOOKS_BETWEEN; heap->cursor < all; heap->cursor++) {
		if (left-- == 0)
			return false;
		size_t i = heap->cursor;
		if (i >= items)
			look_at_entry(heap, gnode(t, i - items));
		else if (iscollectable(&t->array[i]))
			note(heap, gcvalue(&t->array[i]), REEF_HEAP_INDEX)->by.index = (lua_Integer)i + 1;
	}
	heap->cursor = 0;
	return true;
}

static void look_into_function(struct reef_heap *heap, const LClosure *f) {
	for (int i = 0; i < f->nupvalues; i++) {
		const UpVal *up = f->upvals[i];
		if (up != NULL)
			note_value(heap, REEF_UPVALUE(up), REEF_HEAP_UPVALUE_NAMED, f->p->upvalues ? f->p->upvalues[i].name : NULL);
	}
	for (int i = 0; i < f->nupvalues; i++)
		if (f->upvals[i] != NULL)
			note(heap, obj2gco(f->upvals[i]), REEF_HEAP_PART);
	note(heap, obj2gco(f->p), REEF_HEAP_PART);
}

static void look_into_proto(struct reef_heap *heap, const Proto *p) {
	note(heap, p->source ? obj2gco(p->source) : NULL, REEF_HEAP_PART);
	for (int i = 0; i < p->sizek; i++)
		note_value(heap, &p->k[i], REEF_HEAP_PART, NULL);
	for (int i = 0; i < p->sizep; i++)
		note(heap, p->p[i] ? obj2gco(p->p[i]) : NULL, REEF_HEAP_PART);
}

static void look_into_thread(struct reef_heap *heap, lua_State *thread) {
	if (REEF_STACK(thread) == NULL)
		return;
	for (const CallInfo *ci = thread->ci; ci != &thread->base_ci; ci = ci->previous) {
		if (!isLua(ci))
			continue;
		const Proto *p = ci_func(ci)->p;
		StkId base = REEF_CI_FUNC(ci) + 1;
		int pc = pcRel(ci->u.l.savedpc, p);
		for (int n = 1; base + n - 1 < REEF_TOP(thread); n++) {
			const char *name = luaF_getlocalname(p, n, pc);
			if (name == NULL)
				break;
			const TValue *v = s2v(base + n - 1);
			if (iscollectable(v))
				note(heap, gcvalue(v), REEF_HEAP_LOCAL)->by.text = name;
		}
	}
	for (StkId o = REEF_STACK(thread); o < REEF_TOP(thread); o++)
		note_value(heap, s2v(o), REEF_HEAP_PART, NULL);
}

static bool look_into(struct reef_heap *heap, const GCObject *o) {
	switch (o->tt) {
	case LUA_VTABLE:
		return look_into_table(heap, gco2t(o));
	case LUA_VLCL:
		look_into_function(heap, gco2lcl(o));
		break;
	case LUA_VCCL:
		for (int i = 0; i < gco2ccl(o)->nupvalues; i++)
			note_value(heap, &gco2ccl(o)->upvalue[i], REEF_HEAP_PART, NULL);
		break;
	case LUA_VUSERDATA:
		note(heap, gco2u(o)->metatable ? obj2gco(gco2u(o)->metatable) : NULL, REEF_HEAP_METATABLE);
		for (int i = 0; i < gco2u(o)->nuvalue; i++)
			note_value(heap, &gco2u(o)->uv[i].uv, REEF_HEAP_PART, NULL);
		break;
	case LUA_VTHREAD:
		look_into_thread(heap, gco2th(o));
		break;
	case LUA_VPROTO:
		look_into_proto(heap, gco2p(o));
		break;
	default:
		break;
	}
	return true;
}

/* ---- the walk ---- */

void reef_heap_begin(struct reef_heap *heap, lua_State *L, size_t most) {
	global_State *g = G(L);
	*heap = (struct reef_heap){.L = L, .most = most < UINT32_MAX ? most : UINT32_MAX, .next = SIZE_MAX};
	reef_ptrmap_init(&heap->seen);
	/* As the collector stops itself while it runs: nothing that users can call starts it. */
	heap->collector = g->gcstp;
	heap->holding = true;
	g->gcstp |= GCSTPGC;
	const Table *registry = hvalue(&g->l_registry);
	const TValue *globals = luaH_getint(hvalue(&g->l_registry), LUA_RIDX_GLOBALS);
	if (iscollectable(globals))
		note_root(heap, gcvalue(globals), "_G");
	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED"); /* lauxlib's LUA_LOADED_TABLE */
	if (lua_istable(L, -1))
		note_root(heap, gcvalue(s2v(REEF_TOP(L) - 1)), "package.loaded");
	lua_pop(L, 1);
	note_root(heap, obj2gco(registry), "registry");
	note_root(heap, obj2gco(g->mainthread), "main thread");
	for (int i = 0; i < LUA_NUMTYPES; i++)
		if (g->mt[i])
			note_root(heap, obj2gco(g->mt[i]), "metatables");
	heap->next = 0;
}

bool reef_heap_step(struct reef_heap *heap, uint64_t ns) {
	uint64_t now = reef_now_ns(), ends = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
	for (unsigned looks = 1; heap->next < heap->nodes.count; looks++) {
		if (look_into(heap, heap->nodes.items[heap->next].object))
			heap->next++;
		if (looks % 64 == 0 && reef_now_ns() > ends)
			return false;
	}
	return true;
}

void reef_heap_let_go(struct reef_heap *heap) {
	if (heap->holding)
		G(heap->L)->gcstp = (uint8_t)((G(heap->L)->gcstp & ~GCSTPGC) | (heap->collector & GCSTPGC));
	heap->holding = false;
}

void reef_heap_sum(struct reef_heap *heap) {
	struct reef_heap_node *nodes = heap->nodes.items;
	for (size_t i = heap->nodes.count; i-- > 0;)
		if (nodes[i].parent != i)
			nodes[nodes[i].parent].bytes += nodes[i].bytes;
}

void reef_heap_fini(struct reef_heap *heap) {
	reef_ptrmap_fini(&heap->seen);
	reef_ptrmap_init(&heap->seen); /* again it does nothing */
	reef_array_fini(&heap->nodes);
}
