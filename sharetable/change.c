/* What the objects of one snapshot have become in another one: a walk over both at once. */
#include "change.h"

#include "core/alloc.h"
#include "freeze.h"

struct reef_change {
	struct reef_ptrmap map; /* old object -> 1 + index of its new value */
	struct REEF_ARRAY(TValue) values;
};

void reef_change_delete(struct reef_change *change) {
	if (change == NULL)
		return;
	reef_ptrmap_fini(&change->map);
	reef_array_fini(&change->values);
	reef_free(change);
}

static bool change_put(struct reef_change *change, const GCObject *o, const TValue *value) {
	TValue *kept = reef_array_add(&change->values);
	if (kept == NULL)
		return false;
	*kept = *value;
	return reef_ptrmap_put(&change->map, o, (void *)change->values.count);
}

/* One key has led to `old` and leads to `new`. What no path leads from to anything is not noted. */
static bool match(struct reef_change *change, struct reef_trail *trail, uint32_t at, const TValue *old,
				  const TValue *new) {
	if ((!ttistable(old) && !ttisLclosure(old)) || isempty(new))
		return true;
	if (reef_ptrmap_get(&change->map, gcvalue(old)) != NULL)
		return true;
	if (!change_put(change, gcvalue(old), new))
		return false;
	return !ttistable(old) || !ttistable(new) || reef_trail_add(trail, hvalue(old), hvalue(new), at, NULL);
}

static bool match_children(struct reef_change *change, struct reef_trail *trail, uint32_t at) {
	Table *old = trail->steps.items[at].table, *new = trail->steps.items[at].data;
	if (old->metatable != NULL && new->metatable != NULL) {
		TValue a, b;
		sethvalue(NULL, &a, old->metatable);
		sethvalue(NULL, &b, new->metatable);
		if (!match(change, trail, at, &a, &b))
			return false;
	}
	for (unsigned int i = 0; i < old->alimit; i++) {
		const TValue *value = &old->array[i];
		if (iscollectable(value) && !match(change, trail, at, value, luaH_getint(new, (lua_Integer)i + 1)))
			return false;
	}
	for (int i = 0; i < sizenode(old); i++) {
		Node *n = gnode(old, i);
		TValue key;
		if (isempty(gval(n)) || !iscollectable(gval(n)))
			continue;
		getnodekey(NULL, &key, n);
		if (!match(change, trail, at, gval(n), luaH_get(new, &key)))
			return false;
	}
	return true;
}

struct reef_change *reef_change_new(const struct reef_snapshot *from, const struct reef_snapshot *to) {
	struct reef_change *change = reef_try_malloc(sizeof(*change));
	if (change == NULL)
		return NULL;
	*change = (struct reef_change){0};
	struct reef_trail trail;
	reef_trail_init(&trail);
	TValue a, b;
	sethvalue(NULL, &a, from->table);
	sethvalue(NULL, &b, to->table);
	bool ok = match(change, &trail, REEF_TRAIL_ROOT, &a, &b);
	for (uint32_t at = 0; ok && at < trail.steps.count; at++)
		ok = match_children(change, &trail, at);
	reef_trail_fini(&trail);
	if (!ok) {
		reef_change_delete(change);
		return NULL;
	}
	return change;
}

const TValue *reef_change_get(const struct reef_change *change, const GCObject *o) {
	size_t index = (size_t)reef_ptrmap_get(&change->map, o);
	return index == 0 ? NULL : &change->values.items[index - 1];
}
