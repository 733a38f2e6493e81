/* A worklist over a tree of tables that remembers how each table was reached. */
#include "trail.h"

#include <stdio.h>

#include "core/alloc.h"
#include "sharetable/overlay/path.h"

void reef_trail_init(struct reef_trail *trail) {
	*trail = (struct reef_trail){0};
}

void reef_trail_fini(struct reef_trail *trail) {
	reef_array_fini(&trail->steps);
}

bool reef_trail_add(struct reef_trail *trail, Table *table, void *data, uint32_t parent, const TValue *key) {
	if (trail->steps.count > UINT32_MAX / 4)
		return false;
	struct reef_step *step = reef_array_add(&trail->steps);
	if (step == NULL)
		return false;
	step->table = table;
	step->data = data;
	step->parent = parent;
	if (key != NULL)
		step->key = *key;
	else
		setnilvalue(&step->key);
	return true;
}

static bool add_unseen(struct reef_trail *trail, Table *t, uint32_t at, const TValue *key, struct reef_ptrmap *seen) {
	if (reef_ptrmap_get(seen, t) != NULL)
		return true;
	return reef_ptrmap_put(seen, t, t) && reef_trail_add(trail, t, NULL, at, key);
}

bool reef_trail_add_children(struct reef_trail *trail, uint32_t at, struct reef_ptrmap *seen) {
	Table *t = trail->steps.items[at].table;
	TValue key;
	if (t->metatable != NULL && !add_unseen(trail, t->metatable, at, NULL, seen))
		return false;
	for (unsigned int i = 0; i < luaH_realasize(t); i++) {
		setivalue(&key, (lua_Integer)i + 1);
		if (ttistable(&t->array[i]) && !add_unseen(trail, hvalue(&t->array[i]), at, &key, seen))
			return false;
	}
	for (int i = 0; i < sizenode(t); i++) {
		Node *n = gnode(t, i);
		if (isempty(gval(n)))
			continue;
		getnodekey(NULL, &key, n);
		if (ttistable(gval(n)) && !add_unseen(trail, hvalue(gval(n)), at, &key, seen))
			return false;
		if (ttistable(&key) && !add_unseen(trail, hvalue(&key), at, &key, seen))
			return false;
	}
	return true;
}

void reef_trail_path(struct reef_trail *trail, uint32_t step, const TValue *key, char *path, size_t size) {
	/* Turn the links around, from the step up to the root, then follow them down. */
	uint32_t below = REEF_TRAIL_ROOT, at = step;
	while (at != REEF_TRAIL_ROOT) {
		uint32_t above = trail->steps.items[at].parent;
		trail->steps.items[at].parent = below;
		below = at;
		at = above;
	}
	for (at = below == REEF_TRAIL_ROOT ? below : trail->steps.items[below].parent; at != REEF_TRAIL_ROOT;
		 at = trail->steps.items[at].parent)
		reef_path_append(path, size, &trail->steps.items[at].key);
	if (key != NULL)
		reef_path_append(path, size, key);
}

void reef_trail_way(const struct reef_trail *trail, uint32_t step, char *path, size_t size) {
	uint32_t steps[32];
	int n = 0;
	for (; n < 32 && step != REEF_TRAIL_ROOT && trail->steps.items[step].parent != REEF_TRAIL_ROOT;
		 step = trail->steps.items[step].parent)
		steps[n++] = step;
	while (n > 0)
		reef_path_append(path, size, &trail->steps.items[steps[--n]].key);
}

bool reef_trail_find(Table *root, const Table *wanted, const char *name, char *path, size_t size) {
	struct reef_trail trail;
	struct reef_ptrmap seen;
	reef_trail_init(&trail);
	reef_ptrmap_init(&seen);
	bool ok = reef_trail_add(&trail, root, NULL, REEF_TRAIL_ROOT, NULL);
	uint32_t at = 0;
	for (; ok && at < trail.steps.count && trail.steps.items[at].table != wanted; at++)
		ok = reef_trail_add_children(&trail, at, &seen);
	bool found = ok && at < trail.steps.count;
	if (found) {
		snprintf(path, size, "%.100s", name);
		reef_trail_path(&trail, at, NULL, path, size);
	}
	reef_ptrmap_fini(&seen);
	reef_trail_fini(&trail);
	return found;
}
