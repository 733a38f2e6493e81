/* The walk, in three steps. First it notes all places that refer to an object of one of the sets. Then it makes what will be put
 * there and needs memory: strings of the VM's own, room in tables whose keys change their hash. With that done nothing
 * can fail, and it writes. Between the first step and the last the collector stands still, emergencies included, and
 * the stack of the calling thread has room enough not to move; so the places stay where they are.
 *
 * Of most objects nobody has noted that they refer to shared ones that may go (referrers.h); those are not looked at.
 *
 * Stack slots above a thread's top are dead, but a collector may look at them before they are written again; stock Lua
 * clears them for the same reason.
 */
#include "sharetable/overlay/ov.h" /* before lua.h, which shows less to those who are not of Lua's core */

#include "change.h"
#include "core/alloc.h"
#include "core/array.h"
#include "core/prefetch.h"
#include "core/ptrmap.h"
#include "sharetable/overlay/owner.h"
#include "sharetable/overlay/referrers.h"
#include "walk.h"

enum place_kind { PLACE_VALUE, PLACE_KEY, PLACE_METATABLE };

struct place {
	enum place_kind kind;
	void *where;      /* a TValue, a Node, or the address of a Table pointer */
	GCObject *holder; /* whose part that is; NULL for the roots */
	GCObject *old;
	int walk; /* index of the set */
};

struct walker {
	lua_State *L;
	struct reef_walk *walks;
	int count;
	uintptr_t lo, size; /* all the sets lie within */
	struct REEF_ARRAY(struct place) places;
	struct REEF_ARRAY(Node *) dead; /* whose keys may be such objects, or what lay there before */
	struct reef_ptrmap strings;     /* old string -> 1 + index in the table of copies */
	size_t string_count;
	Table *copies;
	struct entry {
		Table *table;
		TValue key, value;
	} * moving; /* entries whose keys hash by address */
	size_t moving_count;
	bool out_of_memory;
};

/* ---- noting ---- */

static int walk_of(const struct walker *w, const GCObject *o) {
	if (!reef_is_shared(o))
		return -1;
	for (int i = 0; i < w->count; i++) {
		const struct reef_walk *walk = &w->walks[i];
		if (reef_owner_of(o) == walk->owner && (walk->members == NULL || reef_ptrmap_get(walk->members, o) != NULL))
			return i;
	}
	return -1;
}

static inline bool near(const struct walker *w, const void *p) {
	return l_unlikely((uintptr_t)p - w->lo < w->size);
}

static void leave(struct walker *w, int walk, const void *o, const char *what) {
	w->walks[walk].left++;
	w->walks[walk].pinned_by = what;
	if (w->walks[walk].leave != NULL)
		w->walks[walk].leave(w->walks[walk].ud, o);
}

static void note(struct walker *w, enum place_kind kind, void *where, GCObject *holder, GCObject *old) {
	int walk = walk_of(w, old);
	if (walk < 0)
		return;
	if (old->tt != LUA_VSHRSTR && old->tt != LUA_VLNGSTR && w->walks[walk].change == NULL) {
		leave(w, walk, old, "a reference");
		return;
	}
	struct place *place = reef_array_add(&w->places);
	if (place == NULL)
		w->out_of_memory = true;
	else
		*place = (struct place){kind, where, holder, old, walk};
}

/* Who goes through a table and takes entries out goes on by the address of a key that is dead: it has to be the one that he
 * gets. The object may be gone, so nobody looks at it. */
static void note_dead(struct walker *w, Node *n) {
	Node **place = reef_array_add(&w->dead);
	if (place == NULL)
		w->out_of_memory = true;
	else
		*place = n;
}

static inline void look(struct walker *w, TValue *v, GCObject *holder) {
	if (iscollectable(v) && near(w, gcvalue(v)))
		note(w, PLACE_VALUE, v, holder, gcvalue(v));
}

/* A value that C code keeps, perhaps because it points into a string. */
static void look_held_by_c(struct walker *w, TValue *v, GCObject *holder, const char *what) {
	if (!iscollectable(v) || !near(w, gcvalue(v)))
		return;
	int walk = walk_of(w, gcvalue(v));
	if (walk >= 0 && ttisstring(v))
		leave(w, walk, gcvalue(v), what);
	else
		note(w, PLACE_VALUE, v, holder, gcvalue(v));
}

static inline void look_metatable(struct walker *w, Table **metatable, GCObject *holder) {
	if (*metatable != NULL && near(w, *metatable))
		note(w, PLACE_METATABLE, metatable, holder, obj2gco(*metatable));
}

static void look_table(struct walker *w, Table *t) {
	bool registry = t == hvalue(&G(w->L)->l_registry);
	unsigned int size = luaH_realasize(t);
	look_metatable(w, &t->metatable, obj2gco(t));
	for (unsigned int i = 0; i < size; i++) {
		if (registry)
			look_held_by_c(w, &t->array[i], obj2gco(t), "a string in the registry");
		else
			look(w, &t->array[i], obj2gco(t));
	}
	if (isdummy(t))
		return;
	Node *limit = gnode(t, sizenode(t));
	for (Node *n = gnode(t, 0); n < limit; n++) {
		/* A key without value still counts: it is compared with until the collector marks it dead. */
		if (keyiscollectable(n) && near(w, gckey(n)))
			note(w, PLACE_KEY, n, obj2gco(t), gckey(n));
		else if (keyisdead(n) && near(w, gckey(n)))
			note_dead(w, n);
		if (registry)
			look_held_by_c(w, gval(n), obj2gco(t), "a string in the registry");
		else
			look(w, gval(n), obj2gco(t));
	}
}

/* Of a function with variable arguments that is running: where it lies below these. It is there once more when it returns, for
 * hooks. NULL: the frame is of no such function. */
static StkId first_place_of(const CallInfo *frame) {
	if (!isLua(frame) || !ci_func(frame)->p->is_vararg)
		return NULL;
	return REEF_CI_FUNC(frame) - (frame->u.l.nextraargs + ci_func(frame)->p->numparams + 1);
}

/* One frame of a stack, from its function up to `limit`. */
static void look_frame(struct walker *w, lua_State *th, CallInfo *frame, StkId limit) {
	StkId slot = REEF_CI_FUNC(frame);
	bool base = frame == &th->base_ci;
	bool own = th == w->L && frame == th->ci;
	StkId running = frame == th->ci ? NULL : first_place_of(frame->next);
	bool pinned = !isLua(frame) && !own && (!base || th == G(w->L)->mainthread);
	if (!base) {
		TValue *f = s2v(slot);
		if (iscollectable(f) && near(w, gcvalue(f))) {
			int walk = walk_of(w, gcvalue(f));
			if (walk >= 0)
				leave(w, walk, gcvalue(f), "a function that is running");
		}
		slot++;
	}
	for (; slot < limit; slot++) {
		if (slot == running)
			continue;
		if (pinned)
			look_held_by_c(w, s2v(slot), obj2gco(th), "an argument of a C function that is running");
		else
			look(w, s2v(slot), obj2gco(th));
	}
}

static void look_thread(struct walker *w, lua_State *th) {
	if (REEF_STACK(th) == NULL)
		return;
	StkId slot;
	for (slot = REEF_STACK(th); slot < REEF_CI_FUNC(&th->base_ci); slot++)
		look(w, s2v(slot), obj2gco(th));
	for (CallInfo *frame = &th->base_ci;; frame = frame->next) {
		bool last = frame == th->ci;
		look_frame(w, th, frame, last ? REEF_TOP(th) : REEF_CI_FUNC(frame->next));
		if (last)
			break;
	}
	for (slot = REEF_TOP(th); slot < REEF_STACK_LAST(th) + EXTRA_STACK; slot++) {
		if (iscollectable(s2v(slot)) && near(w, gcvalue(s2v(slot))))
			setnilvalue(s2v(slot));
	}
}

static void look_object(struct walker *w, GCObject *o) {
	switch (o->tt) {
	case LUA_VTABLE:
		look_table(w, gco2t(o));
		break;
	case LUA_VUPVAL:
		if (!upisopen(gco2upv(o)))
			look(w, REEF_UPVALUE(gco2upv(o)), o);
		break;
	case LUA_VLCL:
		if (gco2lcl(o)->p != NULL && near(w, gco2lcl(o)->p)) {
			int walk = walk_of(w, obj2gco(gco2lcl(o)->p));
			if (walk >= 0)
				leave(w, walk, gco2lcl(o)->p, "a closure made by a shared function");
		}
		break;
	case LUA_VCCL:
		for (int i = 0; i < gco2ccl(o)->nupvalues; i++)
			look_held_by_c(w, &gco2ccl(o)->upvalue[i], o, "a string kept by a C function");
		break;
	case LUA_VUSERDATA:
		look_metatable(w, &gco2u(o)->metatable, o);
		for (int i = 0; i < gco2u(o)->nuvalue; i++)
			look_held_by_c(w, &gco2u(o)->uv[i].uv, o, "a string kept by a userdata");
		break;
	case LUA_VTHREAD:
		look_thread(w, gco2th(o));
		break;
	default:
		break;
	}
}

#define AHEAD 8

static void look_list(struct walker *w, const struct reef_referrer_list *list) {
	for (size_t i = 0; i < list->count; i++) {
		if (i + AHEAD < list->count)
			reef_prefetch(list->items[i + AHEAD]);
		look_object(w, list->items[i]);
	}
}

static bool look_everywhere(struct walker *w) {
	global_State *g = G(w->L);
	w->places.count = w->dead.count = 0;
	for (int i = 0; i < w->count; i++) {
		w->walks[i].left = w->walks[i].replaced = 0;
		w->walks[i].pinned_by = NULL;
	}
	const struct reef_referrers *all = reef_referrers_all(w->L);
	look_list(w, &all->tables);
	look_list(w, &all->others);
	look_thread(w, g->mainthread);
	for (int i = 0; i < LUA_NUMTAGS; i++)
		look_metatable(w, &g->mt[i], NULL);
	return !w->out_of_memory;
}

/* ---- preparing ---- */

static bool is_string(const GCObject *o) {
	return o->tt == LUA_VSHRSTR || o->tt == LUA_VLNGSTR;
}

static bool number_strings(struct walker *w) {
	for (size_t i = 0; i < w->places.count; i++) {
		const struct place *place = &w->places.items[i];
		if (!is_string(place->old) || reef_ptrmap_get(&w->strings, place->old) != NULL)
			continue;
		if (!reef_ptrmap_put(&w->strings, place->old, (void *)(w->string_count + 1)))
			return false;
		w->string_count++;
	}
	return true;
}

/* Protected: makes the strings, kept by a table that is pushed. */
static int make_strings(lua_State *L) {
	struct walker *w = lua_touserdata(L, 1);
	lua_createtable(L, (int)w->string_count, 0);
	Table *copies = hvalue(s2v(REEF_TOP(L) - 1));
	for (size_t i = 0; i < w->strings.capacity; i++) {
		const TString *old = w->strings.slots[i].key;
		if (old == NULL)
			continue;
		size_t l = tsslen(old);
		TString *copy = luaS_newlstr(L, getstr(old), l);
		TValue *slot = &copies->array[(size_t)w->strings.slots[i].value - 1];
		setsvalue(L, slot, copy);
		luaC_barrierback(L, obj2gco(copies), slot);
	}
	return 1;
}

/* Protected: room for keys that have to be inserted anew. */
static int make_room(lua_State *L) {
	struct walker *w = lua_touserdata(L, 1);
	const GCObject *done = NULL;
	for (size_t i = 0; i < w->places.count; i++) {
		const struct place *place = &w->places.items[i];
		if (place->kind != PLACE_KEY || is_string(place->old) || place->holder == done)
			continue;
		done = place->holder; /* the places of a table follow each other */
		Table *t = gco2t(place->holder);
		unsigned int used = 0;
		for (int k = 0; k < sizenode(t); k++)
			used += !isempty(gval(gnode(t, k)));
		luaH_resize(L, t, luaH_realasize(t), used * 2 + 1);
	}
	return 0;
}

static size_t count_moving(const struct walker *w) {
	size_t n = 0;
	for (size_t i = 0; i < w->places.count; i++)
		n += w->places.items[i].kind == PLACE_KEY && !is_string(w->places.items[i].old);
	return n;
}

static bool call_protected(struct walker *w, lua_CFunction f, int results) {
	lua_pushcfunction(w->L, f);
	lua_pushlightuserdata(w->L, w);
	if (lua_pcall(w->L, 1, results, 0) == LUA_OK)
		return true;
	lua_pop(w->L, 1);
	return false;
}

/* ---- writing ---- */

/* What comes into a place; nil is allowed. */
static void new_value(const struct walker *w, const struct place *place, TValue *v) {
	setnilvalue(v);
	if (is_string(place->old)) {
		size_t index = (size_t)reef_ptrmap_get(&w->strings, place->old);
		setobj(w->L, v, &w->copies->array[index - 1]);
	} else {
		const TValue *new = reef_change_get(w->walks[place->walk].change, place->old);
		if (new != NULL)
			setobj(w->L, v, new);
	}
}

static void keep_alive(const struct walker *w, const struct place *place, const TValue *v) {
	if (place->holder != NULL && iscollectable(v) && place->holder->tt != LUA_VTHREAD)
		luaC_barrier(w->L, place->holder, v);
}

static void write_value(const struct walker *w, const struct place *place) {
	TValue v, *slot = place->where;
	new_value(w, place, &v);
	if (place->holder != NULL && place->holder->tt == LUA_VTABLE && ttisnil(&v)) {
		setempty(slot);
	} else {
		setobj(w->L, slot, &v);
		keep_alive(w, place, &v);
	}
}

static void write_metatable(const struct walker *w, const struct place *place) {
	TValue v;
	new_value(w, place, &v);
	*(Table **)place->where = ttistable(&v) ? hvalue(&v) : NULL;
}

/* A string's hash is that of its bytes: the new key stays where the old one was. */
static void write_string_key(const struct walker *w, const struct place *place) {
	TValue v;
	new_value(w, place, &v);
	setnodekey(w->L, (Node *)place->where, &v);
	keep_alive(w, place, &v);
}

static void write_dead_key(const struct walker *w, Node *n) {
	size_t index = (size_t)reef_ptrmap_get(&w->strings, gckey(n));
	if (index > 0)
		gckey(n) = gcvalue(&w->copies->array[index - 1]);
}

/* Any other key hashes by address, so its entry moves: this takes it out. */
static void take_out(struct walker *w, const struct place *place) {
	Node *n = place->where;
	struct entry *entry = &w->moving[w->moving_count];
	entry->table = gco2t(place->holder);
	setobj(w->L, &entry->value, gval(n));
	setempty(gval(n));
	setdeadkey(n);
	new_value(w, place, &entry->key);
	bool usable = !ttisnil(&entry->key) && !(ttisfloat(&entry->key) && luai_numisnan(fltvalue(&entry->key)));
	if (usable && !isempty(&entry->value))
		w->moving_count++;
}

/* There is room (make_room), so inserting cannot fail. Nothing has to be kept alive: the key is a shared object, the value
 * was in this table before. */
static void put_in(const struct walker *w, struct entry *entry) {
	Table *t = entry->table;
	luaH_set(w->L, t, &entry->key, &entry->value);
	t->flags = cast_byte(t->flags & ~maskflags);
}

static void write_all(struct walker *w) {
	for (size_t i = 0; i < w->places.count; i++) {
		const struct place *place = &w->places.items[i];
		w->walks[place->walk].replaced++;
		if (place->kind == PLACE_VALUE)
			write_value(w, place);
		else if (place->kind == PLACE_METATABLE)
			write_metatable(w, place);
		else if (is_string(place->old))
			write_string_key(w, place);
	}
	for (size_t i = 0; i < w->dead.count; i++)
		write_dead_key(w, w->dead.items[i]);
	/* Inserting moves other nodes about: first all are taken out. The values of all places are written by now. */
	for (size_t i = 0; i < w->places.count; i++) {
		if (w->places.items[i].kind == PLACE_KEY && !is_string(w->places.items[i].old))
			take_out(w, &w->places.items[i]);
	}
	for (size_t i = 0; i < w->moving_count; i++)
		put_in(w, &w->moving[i]);
}

static bool walk(struct walker *w) {
	if (!look_everywhere(w))
		return false;
	size_t moving = count_moving(w);
	if (moving > 0) {
		w->moving = reef_try_malloc(moving * sizeof(*w->moving));
		if (w->moving == NULL || !call_protected(w, make_room, 0) || !look_everywhere(w))
			return false;
	}
	if (!number_strings(w) || !call_protected(w, make_strings, 1))
		return false;
	w->copies = hvalue(s2v(REEF_TOP(w->L) - 1));
	write_all(w);
	lua_pop(w->L, 1);
	return true;
}

bool reef_walk(lua_State *L, struct reef_walk *walks, int n) {
	struct walker w = {.L = L, .walks = walks, .count = n, .lo = UINTPTR_MAX};
	uintptr_t hi = 0;
	global_State *g = G(L);
	if (n == 0)
		return true;
	if (!reef_referrers_begin(L) || !lua_checkstack(L, 4 * LUA_MINSTACK))
		return false;
	for (int i = 0; i < n; i++) {
		w.lo = walks[i].lo < w.lo ? walks[i].lo : w.lo;
		hi = walks[i].hi > hi ? walks[i].hi : hi;
	}
	w.size = hi - w.lo;
	lu_byte stopped = g->gcstp, no_emergency = g->gcstopem;
	g->gcstp |= GCSTPUSR;
	g->gcstopem = 1;
	bool ok = walk(&w);
	g->gcstp = stopped;
	g->gcstopem = no_emergency;
	reef_ptrmap_fini(&w.strings);
	reef_array_fini(&w.places);
	reef_array_fini(&w.dead);
	reef_free(w.moving);
	return ok;
}
