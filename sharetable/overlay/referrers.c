/* See referrers.h. Tables have a bit that says whether they are in their list; of the others some are noted more than once,
 * and that is put right when their list is full or asked for. */
#include "ov.h" /* before what includes lua.h, which shows less to those who are not of Lua's core */

#include "referrers.h"

#include <stdlib.h>

#define FIRST_ROOM 16

static struct reef_referrers *referrers_of(const global_State *g) {
	return REEF_REFERRERS(g);
}

static bool make_room(global_State *g, struct reef_referrer_list *list) {
	size_t room = list->capacity == 0 ? FIRST_ROOM : list->capacity * 2;
	GCObject **items = g->frealloc(g->ud, list->items, list->capacity * sizeof(*items), room * sizeof(*items));
	if (items == NULL)
		return false;
	list->items = items;
	list->capacity = room;
	return true;
}

static int by_address(const void *a, const void *b) {
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	return (x > y) - (x < y);
}

static void leave_one_of_each(struct reef_referrer_list *list) {
	size_t kept = 0;
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), by_address);
	for (size_t i = 0; i < list->count; i++) {
		if (kept == 0 || list->items[kept - 1] != list->items[i])
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

/* Of the others, half of the room has to be free when they are each there once, or they would be sorted all the time. */
static bool prepare_room(global_State *g, struct reef_referrers *all, struct reef_referrer_list *list) {
	if (list->count < list->capacity)
		return true;
	if (list == &all->others)
		leave_one_of_each(list);
	return (list == &all->others && list->count < list->capacity / 2) || make_room(g, list);
}

static void add(global_State *g, struct reef_referrers *all, GCObject *o) {
	struct reef_referrer_list *list = o->tt == LUA_VTABLE ? &all->tables : &all->others;
	if (list->count > 0 && list->items[list->count - 1] == o)
		return;
	if (prepare_room(g, all, list))
		list->items[list->count++] = o;
	else
		all->lost = true;
}

void reef_refers(lua_State *L, GCObject *o) {
	struct reef_referrers *all = referrers_of(G(L));
	if (o->tt == LUA_VTABLE) {
		if (reef_has_held(gco2t(o)))
			return;
		gco2t(o)->flags |= REEF_HELD_BIT;
	}
	if (all != NULL)
		add(G(L), all, o);
}

/* ---- the first look ---- */

static bool is_passing_value(const TValue *v) {
	return iscollectable(v) && reef_is_passing(gcvalue(v));
}

static bool is_passing_table(const Table *t) {
	return t != NULL && reef_is_passing(t);
}

bool reef_is_referrer(const GCObject *object) {
	GCObject *o = (GCObject *)object; /* for Lua's casts */
	switch (o->tt) {
	case LUA_VTABLE:
		return reef_has_held(gco2t(o));
	case LUA_VUPVAL:
		return !upisopen(gco2upv(o)) && is_passing_value(REEF_UPVALUE(gco2upv(o)));
	case LUA_VLCL:
		return gco2lcl(o)->p != NULL && reef_is_passing(gco2lcl(o)->p);
	case LUA_VCCL:
		for (int i = 0; i < gco2ccl(o)->nupvalues; i++) {
			if (is_passing_value(&gco2ccl(o)->upvalue[i]))
				return true;
		}
		return false;
	case LUA_VUSERDATA:
		for (int i = 0; i < gco2u(o)->nuvalue; i++) {
			if (is_passing_value(&gco2u(o)->uv[i].uv))
				return true;
		}
		return is_passing_table(gco2u(o)->metatable);
	default:
		return o->tt == LUA_VTHREAD;
	}
}

/* What a collection has found to be dead may be freed while its place is still in a list. Of dead coroutines the upvalues
 * that are open are closed, as they would be then: those that live are noted at that. */
static void add_from(global_State *g, struct reef_referrers *all, GCObject *o) {
	for (; o != NULL; o = o->next) {
		if (isdead(g, o)) {
			if (o->tt == LUA_VTHREAD)
				luaF_closeupval(gco2th(o), REEF_STACK(gco2th(o)));
		} else if (reef_is_referrer(o)) {
			add(g, all, o);
		}
	}
}

bool reef_referrers_begin(lua_State *L) {
	global_State *g = G(L);
	struct reef_referrers *all = referrers_of(g);
	if (all != NULL && !all->lost && !(all->dying && issweepphase(g)))
		return true;
	if (all == NULL) {
		all = g->frealloc(g->ud, NULL, 0, sizeof(*all));
		if (all == NULL)
			return false;
		memset(all, 0, sizeof(*all));
		REEF_REFERRERS(g) = all;
	}
	all->lost = all->dying = false;
	all->tables.count = all->others.count = 0;
	add_from(g, all, g->allgc);
	add_from(g, all, g->finobj);
	add_from(g, all, g->tobefnz);
	return !all->lost;
}

const struct reef_referrers *reef_referrers_all(lua_State *L) {
	struct reef_referrers *all = referrers_of(G(L));
	leave_one_of_each(&all->others);
	return all;
}

bool reef_referrers_kept(lua_State *L) {
	return referrers_of(G(L)) != NULL;
}

/* ---- those who go ---- */

static void leave_marked(struct reef_referrers *all, struct reef_referrer_list *list) {
	size_t kept = 0;
	for (size_t i = 0; i < list->count; i++) {
		GCObject *o = list->items[i];
		if (!iswhite(o))
			list->items[kept++] = o;
		else if (o->tt == LUA_VTHREAD && gco2th(o)->openupval != NULL)
			all->dying = true;
	}
	list->count = kept;
}

/* Half of what is left stays free. Without memory for that the list stays as it is. */
static void give_back_room(global_State *g, struct reef_referrer_list *list) {
	size_t room = list->capacity;
	while (room > FIRST_ROOM && list->count < room / 4)
		room /= 2;
	if (room == list->capacity)
		return;
	GCObject **items = g->frealloc(g->ud, list->items, list->capacity * sizeof(*items), room * sizeof(*items));
	if (items == NULL)
		return;
	list->items = items;
	list->capacity = room;
}

void reef_referrers_collected(global_State *g) {
	struct reef_referrers *all = referrers_of(g);
	if (l_likely(all == NULL))
		return;
	all->dying = false;
	leave_marked(all, &all->tables);
	leave_marked(all, &all->others);
	give_back_room(g, &all->tables);
	give_back_room(g, &all->others);
}

void reef_referrers_end(global_State *g) {
	struct reef_referrers *all = referrers_of(g);
	if (all == NULL)
		return;
	REEF_REFERRERS(g) = NULL;
	g->frealloc(g->ud, all->tables.items, all->tables.capacity * sizeof(*all->tables.items), 0);
	g->frealloc(g->ud, all->others.items, all->others.capacity * sizeof(*all->others.items), 0);
	g->frealloc(g->ud, all, sizeof(*all), 0);
}
