/* Planning: compares new tables with a sheet's rows, by worklist, and makes new content where they differ.
 *
 * A row keeps its place as long as there is a table at its path; so references that readers hold stay valid. A table that
 * is found twice in the new data is one row, as it was one table.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "plan_private.h"

#include "core/alloc.h"
#include "sharetable/overlay/path.h"

static int planning;

struct reef_plan *reef_plan_new(void) {
	int free = 0;
	if (!__atomic_compare_exchange_n(&planning, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return NULL;
	return reef_calloc(1, sizeof(struct reef_plan));
}

void reef_plan_finish(void) {
	__atomic_store_n(&planning, 0, __ATOMIC_RELEASE);
}

void *reef_plan_grow(void **array, size_t *count, size_t *capacity, size_t size) {
	if (*count == *capacity) {
		size_t larger = *capacity == 0 ? 16 : *capacity * 2;
		void *p = reef_try_realloc(*array, larger * size);
		if (p == NULL)
			return NULL;
		*array = p;
		*capacity = larger;
	}
	return (char *)*array + (*count)++ * size;
}

static bool no_memory(struct reef_plan *plan) {
	snprintf(plan->why, plan->why_size, "not enough memory");
	return false;
}

static bool refuse(struct reef_plan *plan, const char *what, uint32_t step, const TValue *key) {
	char path[256];
	snprintf(path, sizeof(path), "%.100s", plan->sheet->name);
	reef_trail_path(&plan->found, step, key, path, sizeof(path));
	snprintf(plan->why, plan->why_size, "cannot share a %s at '%s'", what, path);
	return false;
}

static struct reef_row *add_fresh(struct reef_plan *plan) {
	struct reef_row **slot =
			reef_plan_grow((void **)&plan->fresh, &plan->fresh_count, &plan->fresh_capacity, sizeof(*slot));
	if (slot == NULL)
		return NULL;
	struct reef_row *row = reef_row_new();
	*slot = row;
	if (row == NULL)
		plan->fresh_count--;
	return row;
}

/* The row for a table that `key` leads to in a step; `old` is what the row of the step has there (NULL: nothing). */
static struct reef_row *row_for(struct reef_plan *plan, Table *source, const TValue *old, uint32_t step,
								const TValue *key) {
	struct reef_row *row = reef_ptrmap_get(&plan->rows, source);
	if (row != NULL)
		return row;
	if (source->metatable != NULL) {
		refuse(plan, "table with a metatable", step, key);
		return NULL;
	}
	if (old != NULL && ttistable(old) && reef_ptrmap_get(&plan->taken, reef_row_of(hvalue(old))) == NULL)
		row = reef_row_of(hvalue(old));
	else
		row = add_fresh(plan);
	if (row == NULL || !reef_ptrmap_put(&plan->rows, source, row) || !reef_ptrmap_put(&plan->taken, row, row) ||
		!reef_trail_add(&plan->found, source, row, step, key)) {
		no_memory(plan);
		return NULL;
	}
	return row;
}

static bool is_fresh(const struct reef_row *row) {
	return !reef_is_shared(&row->table);
}

/* Is the value in a content still right? In case of a table, finds out which row it is. */
static bool check_value(struct reef_plan *plan, const TValue *old, const TValue *new, uint32_t step, const TValue *key,
						bool *same) {
	if (ttistable(new)) {
		struct reef_row *row = row_for(plan, hvalue(new), old, step, key);
		if (row == NULL)
			return false;
		*same = ttistable(old) && hvalue(old) == &row->table;
	} else {
		/* 1 and 1.0 are equal, and so are the zeros, but they are not the same; nor are they if that cannot be told. */
		*same = ttypetag(old) == ttypetag(new) &&
				(ttisfloat(new) ? memcmp(&fltvalue(old), &fltvalue(new), sizeof(lua_Number)) == 0
								: luaV_rawequalobj(old, new) != 0);
	}
	return true;
}

/* Compares all of a table with its row's content; looks at every entry, so that all tables are found. */
static bool compare(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout, bool *same) {
	Table *source = plan->found.steps[step].table;
	struct reef_row *row = plan->found.steps[step].data;
	unsigned int size = luaH_realasize(source);
	TValue key;
	bool equal;
	*same = layout->array == row->table.alimit && layout->hash == row->entries;
	for (unsigned int i = 0; i < layout->array; i++) {
		const TValue *value = i < size ? &source->array[i] : luaH_getint(source, (lua_Integer)i + 1);
		setivalue(&key, (lua_Integer)i + 1);
		if (!check_value(plan, luaH_getint(&row->table, (lua_Integer)i + 1), value, step, &key, &equal))
			return false;
		*same &= equal;
	}
	for (unsigned int i = layout->array; i < size; i++) {
		setivalue(&key, (lua_Integer)i + 1);
		if (isempty(&source->array[i]))
			continue;
		if (!check_value(plan, luaH_get(&row->table, &key), &source->array[i], step, &key, &equal))
			return false;
		*same &= equal;
	}
	for (int i = 0; i < sizenode(source); i++) {
		const Node *n = gnode(source, i);
		if (isempty(gval(n)) || reef_layout_in_array(n, layout->array))
			continue;
		getnodekey(plan->L, &key, n);
		if (!check_value(plan, luaH_get(&row->table, &key), gval(n), step, &key, &equal))
			return false;
		*same &= equal;
	}
	return true;
}

/* A value of new content. Tables have their rows already, or get fresh ones. */
static bool copy_value(struct reef_plan *plan, TValue *to, const TValue *from, uint32_t step, const TValue *key,
					   bool name) {
	switch (ttypetag(from)) {
	case LUA_VSHRSTR:
	case LUA_VLNGSTR: {
		TString *s = reef_row_string(tsvalue(from), name);
		if (s == NULL)
			return no_memory(plan);
		setsvalue(plan->L, to, s);
		return true;
	}
	case LUA_VTABLE: {
		struct reef_row *row = row_for(plan, hvalue(from), NULL, step, key);
		if (row == NULL)
			return false;
		sethvalue(plan->L, to, &row->table);
		return true;
	}
	case LUA_VTRUE:
	case LUA_VFALSE:
	case LUA_VNUMINT:
	case LUA_VNUMFLT:
	case LUA_VLIGHTUSERDATA:
		setobj(plan->L, to, from);
		return true;
	default:
		return refuse(plan, ttypename(ttype(from)), step, key);
	}
}

static bool copy_entry(struct reef_plan *plan, Table *content, const TValue *key, const TValue *value, uint32_t step) {
	TValue k, v;
	if (ttistable(key))
		return refuse(plan, "table as key", step, key);
	if (!copy_value(plan, &k, key, step, key, reef_layout_is_record(content)))
		return false;
	if (!copy_value(plan, &v, value, step, key, false)) {
		if (ttisstring(&k) && reef_row_string_unref(tsvalue(&k)))
			reef_row_string_free(tsvalue(&k));
		return false;
	}
	luaH_set(plan->L, content, &k, &v);
	return true;
}

/* Fills the header of new content. */
static bool copy_content(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout, Table *content) {
	Table *source = plan->found.steps[step].table;
	unsigned int size = luaH_realasize(source);
	TValue key;
	for (unsigned int i = 0; i < layout->array; i++) {
		const TValue *value = i < size ? &source->array[i] : luaH_getint(source, (lua_Integer)i + 1);
		setivalue(&key, (lua_Integer)i + 1);
		if (!copy_value(plan, &content->array[i], value, step, &key, false))
			return false;
	}
	for (unsigned int i = layout->array; i < size; i++) {
		setivalue(&key, (lua_Integer)i + 1);
		if (!isempty(&source->array[i]) && !copy_entry(plan, content, &key, &source->array[i], step))
			return false;
	}
	for (int i = 0; i < sizenode(source); i++) {
		const Node *n = gnode(source, i);
		if (isempty(gval(n)) || reef_layout_in_array(n, layout->array))
			continue;
		getnodekey(plan->L, &key, n);
		if (!copy_entry(plan, content, &key, gval(n), step))
			return false;
	}
	/* A row without metatable may be one, for a reader. */
	reef_layout_set_flags(plan->L, content, true);
	return true;
}

static bool plan_row(struct reef_plan *plan, uint32_t step) {
	struct reef_row *row = plan->found.steps[step].data;
	struct reef_layout layout = reef_layout_of(plan->found.steps[step].table);
	if (is_fresh(row)) {
		row->entries = layout.hash;
		return (reef_content_new(&layout, &row->table) || no_memory(plan)) &&
			   copy_content(plan, step, &layout, &row->table);
	}
	bool same;
	if (!compare(plan, step, &layout, &same))
		return false;
	if (same)
		return true;
	struct reef_switch *change =
			reef_plan_grow((void **)&plan->switches, &plan->switch_count, &plan->switch_capacity, sizeof(*change));
	if (change == NULL)
		return no_memory(plan);
	*change = (struct reef_switch){.row = row, .entries = layout.hash};
	if (!reef_content_new(&layout, &change->content)) {
		plan->switch_count--;
		return no_memory(plan);
	}
	return copy_content(plan, step, &layout, &change->content);
}

static struct reef_sheet *find_sheet(const struct reef_plan *plan, const char *name) {
	for (size_t i = 0; i < plan->sheet_count; i++) {
		if (strcmp(plan->sheets[i]->name, name) == 0)
			return plan->sheets[i];
	}
	struct reef_sheet *sheet = reef_sheets;
	while (sheet != NULL && strcmp(sheet->name, name) != 0)
		sheet = sheet->next;
	return sheet;
}

static void add_sheet(struct reef_plan *plan, const char *name) {
	plan->sheet = find_sheet(plan, name);
	if (plan->sheet == NULL) {
		plan->sheet = reef_calloc(1, sizeof(struct reef_sheet) + strlen(name) + 1);
		strcpy(plan->sheet->name, name);
	}
	plan->sheets = reef_realloc(plan->sheets, (plan->sheet_count + 1) * sizeof(struct reef_sheet *));
	plan->sheets[plan->sheet_count++] = plan->sheet;
}

bool reef_plan_add(struct reef_plan *plan, lua_State *L, const char *name, int index, char *why, size_t size) {
	Table *source = (Table *)lua_topointer(L, index);
	plan->L = L;
	plan->why = why;
	plan->why_size = size;
	reef_ptrmap_init(&plan->rows);
	reef_ptrmap_init(&plan->taken);
	reef_trail_init(&plan->found);
	add_sheet(plan, name);
	TValue old;
	setnilvalue(&old);
	if (plan->sheet->root != NULL)
		sethvalue(L, &old, &plan->sheet->root->table);
	struct reef_row *root = row_for(plan, source, &old, REEF_TRAIL_ROOT, NULL);
	bool ok = root != NULL;
	if (ok && plan->sheet->version == 0)
		plan->sheet->root = root;
	for (uint32_t i = 0; ok && i < plan->found.count; i++)
		ok = plan_row(plan, i);
	reef_ptrmap_fini(&plan->rows);
	reef_ptrmap_fini(&plan->taken);
	reef_trail_fini(&plan->found);
	return ok;
}

/* ---- what is not needed any more ---- */

struct counting {
	struct reef_plan *plan;
	intptr_t by;
	bool ok;
};

static void count_value(void *ud, const TValue *v) {
	struct counting *counting = ud;
	if (!ttistable(v))
		return;
	struct reef_plan *plan = counting->plan;
	struct reef_row *row = reef_row_of(hvalue(v));
	intptr_t count = reef_plan_count(plan, row) + counting->by;
	counting->ok &= reef_ptrmap_put(&plan->references, row, (void *)(count * 2 + 1));
	if (!counting->ok || counting->by > 0 || is_fresh(row) || (intptr_t)row->refs + count != 0)
		return;
	struct reef_removal *removal =
			reef_plan_grow((void **)&plan->removals, &plan->removal_count, &plan->removal_capacity, sizeof(*removal));
	if (removal == NULL)
		counting->ok = false;
	else
		*removal = (struct reef_removal){.row = row};
}

static bool count_content(struct reef_plan *plan, const Table *content, intptr_t by) {
	struct counting counting = {plan, by, true};
	reef_content_each(content, count_value, &counting);
	return counting.ok;
}

/* The paths of the rows that will be removed, from the sheets as they are. */
static bool find_paths(struct reef_plan *plan) {
	struct reef_ptrmap removed, seen;
	struct reef_trail trail;
	bool ok = true;
	reef_ptrmap_init(&removed);
	for (size_t i = 0; ok && i < plan->removal_count; i++)
		ok = reef_ptrmap_put(&removed, plan->removals[i].row, (void *)(i + 1));
	for (size_t i = 0; ok && i < plan->sheet_count; i++) {
		if (plan->sheets[i]->version == 0)
			continue;
		reef_ptrmap_init(&seen);
		reef_trail_init(&trail);
		ok = reef_trail_add(&trail, &plan->sheets[i]->root->table, NULL, REEF_TRAIL_ROOT, NULL);
		for (uint32_t at = 0; ok && at < trail.count; at++) {
			size_t index = (size_t)reef_ptrmap_get(&removed, trail.steps[at].table);
			if (index > 0 && plan->removals[index - 1].path == NULL) {
				char path[256];
				snprintf(path, sizeof(path), "%.100s", plan->sheets[i]->name);
				reef_trail_way(&trail, at, path, sizeof(path));
				plan->removals[index - 1].path = reef_strdup(path);
			}
			ok = reef_trail_add_children(&trail, at, &seen);
		}
		reef_ptrmap_fini(&seen);
		reef_trail_fini(&trail);
	}
	reef_ptrmap_fini(&removed);
	return ok;
}

bool reef_plan_prepare(struct reef_plan *plan) {
	bool ok = true;
	for (size_t i = 0; ok && i < plan->sheet_count; i++) {
		if (plan->sheets[i]->version == 0)
			ok = reef_ptrmap_put(&plan->references, plan->sheets[i]->root, (void *)(intptr_t)3);
	}
	for (size_t i = 0; ok && i < plan->fresh_count; i++)
		ok = count_content(plan, &plan->fresh[i]->table, 1);
	for (size_t i = 0; ok && i < plan->switch_count; i++)
		ok = count_content(plan, &plan->switches[i].content, 1);
	for (size_t i = 0; ok && i < plan->switch_count; i++)
		ok = count_content(plan, &plan->switches[i].row->table, -1);
	for (size_t i = 0; ok && i < plan->removal_count; i++)
		ok = count_content(plan, &plan->removals[i].row->table, -1);
	return ok && (plan->removal_count == 0 || find_paths(plan));
}

void reef_plan_stat(const struct reef_plan *plan, size_t *changed, size_t *added, size_t *removed) {
	*changed = plan->switch_count;
	*added = plan->fresh_count;
	*removed = plan->removal_count;
}
