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

const char reef_plan_nothing;

static int planning;

static bool try_begin(void) {
	int free = 0;
	return __atomic_compare_exchange_n(&planning, &free, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Whoever found dead rows while somebody was publishing has left them to him. */
static void end(void) {
	do {
		reef_retired_dismantle();
		__atomic_store_n(&planning, 0, __ATOMIC_SEQ_CST);
	} while (reef_retired_has_dead() && try_begin());
}

void reef_plan_dismantle(void) {
	if (reef_retired_has_dead() && try_begin())
		end();
}

bool reef_plan_new(struct reef_plan **plan) {
	*plan = NULL;
	if (!try_begin())
		return false;
	*plan = reef_try_malloc(sizeof(**plan));
	if (*plan == NULL)
		end();
	else
		memset(*plan, 0, sizeof(**plan));
	return true;
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
	return memset((char *)*array + (*count)++ * size, 0, size);
}

bool reef_plan_no_memory(struct reef_plan *plan) {
	snprintf(plan->why, plan->why_size, "not enough memory");
	return false;
}

bool reef_plan_refuse(struct reef_plan *plan, const char *what, uint32_t step, const TValue *key) {
	char path[256];
	snprintf(path, sizeof(path), "%.100s", plan->part->sheet->name);
	reef_trail_way(&plan->part->found, step, path, sizeof(path));
	if (key != NULL)
		reef_path_append(path, sizeof(path), key);
	snprintf(plan->why, plan->why_size, "%s at '%s'", what, path);
	return false;
}

static struct reef_row *add_fresh(struct reef_plan *plan, Table *source) {
	struct reef_row **slot =
			reef_plan_grow((void **)&plan->fresh, &plan->fresh_count, &plan->fresh_capacity, sizeof(*slot));
	if (slot == NULL)
		return NULL;
	struct reef_layout layout = reef_layout_of(source);
	struct reef_row *row = reef_row_new(&layout);
	*slot = row;
	if (row == NULL)
		plan->fresh_count--;
	return row;
}

bool reef_plan_take(struct reef_plan *plan, Table *source, struct reef_row *row, uint32_t step, const TValue *key) {
	if (row == NULL || !reef_trail_add(&plan->part->found, source, row, step, key))
		return reef_plan_no_memory(plan);
	row->planned = 1;
	return true;
}

struct reef_row *reef_plan_row_for(struct reef_plan *plan, Table *source, const TValue *old, uint32_t step,
								   const TValue *key) {
	struct reef_row *row = reef_ptrmap_get(&plan->rows, source);
	if (row != NULL)
		return row;
	if (source->metatable != NULL) {
		reef_plan_refuse(plan, "cannot share a table with a metatable", step, key);
		return NULL;
	}
	if (old != NULL && ttistable(old) && !reef_row_of(hvalue(old))->planned)
		row = reef_row_of(hvalue(old));
	else
		row = add_fresh(plan, source);
	if (!reef_plan_take(plan, source, row, step, key))
		return NULL;
	if (!reef_ptrmap_put(&plan->rows, source, row)) {
		reef_plan_no_memory(plan);
		return NULL;
	}
	return row;
}

/* 1 and 1.0 are equal, and so are the zeros, but they are not the same; nor are they if that cannot be told. */
bool reef_plan_is_same(const TValue *old, const TValue *new) {
	return ttypetag(old) == ttypetag(new) &&
		   (ttisfloat(new) ? memcmp(&fltvalue(old), &fltvalue(new), sizeof(lua_Number)) == 0
						   : luaV_rawequalobj(old, new) != 0);
}

/* Of the hash part. */
static unsigned int count_entries(const struct reef_row *row) {
	unsigned int count = row->entries;
	if (count == REEF_MANY) {
		count = 0;
		for (int i = 0; i < sizenode(&row->table); i++)
			count += !isempty(gval(gnode(&row->table, i)));
	}
	return count;
}

/* Compares all of a table with its row's content; looks at every entry, so that all tables are found. */
static bool compare(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout, bool *same) {
	struct reef_row *row = plan->part->found.steps[step].data;
	struct reef_entries entries = reef_entries_of(plan->part->found.steps[step].table, layout->array);
	const TValue *value;
	TValue key;
	*same = layout->array == row->table.alimit && layout->hash == count_entries(row);
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		const TValue *old = luaH_get(&row->table, &key);
		if (ttistable(value)) {
			struct reef_row *child = reef_plan_row_for(plan, hvalue(value), old, step, &key);
			if (child == NULL)
				return false;
			*same &= ttistable(old) && hvalue(old) == &child->table;
		} else {
			*same &= reef_plan_is_same(old, value);
		}
	}
	return true;
}

static const char *refusal_of(const TValue *v) {
	return ttisfunction(v)       ? "cannot share a function"
		   : ttisfulluserdata(v) ? "cannot share a userdata"
								 : "cannot share a coroutine";
}

/* A value of new content. Tables have their rows already, or get fresh ones. */
static bool copy_value(struct reef_plan *plan, TValue *to, const TValue *from, uint32_t step, const TValue *key,
					   bool name, bool keep) {
	switch (ttypetag(from)) {
	case LUA_VSHRSTR:
	case LUA_VLNGSTR: {
		TString *s = reef_row_string(tsvalue(from), name);
		if (s == NULL)
			return reef_plan_no_memory(plan);
		setsvalue(plan->L, to, s);
		return true;
	}
	case LUA_VTABLE: {
		if (keep) {
			setobj(plan->L, to, from);
			return true;
		}
		struct reef_row *row = reef_plan_row_for(plan, hvalue(from), NULL, step, key);
		if (row == NULL)
			return false;
		sethvalue(plan->L, to, &row->table);
		return true;
	}
	case LUA_VLIGHTUSERDATA:
		if (pvalue(from) == &reef_plan_nothing)
			return reef_plan_refuse(plan, "there is nothing to take away", step, key);
		/* FALLTHROUGH */
	case LUA_VTRUE:
	case LUA_VFALSE:
	case LUA_VNUMINT:
	case LUA_VNUMFLT:
		setobj(plan->L, to, from);
		return true;
	default:
		return reef_plan_refuse(plan, refusal_of(from), step, key);
	}
}

bool reef_plan_put(struct reef_plan *plan, Table *content, const TValue *key, const TValue *value, uint32_t step,
				   bool keep) {
	TValue k, v;
	if (ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < content->alimit)
		return copy_value(plan, &content->array[ivalue(key) - 1], value, step, key, false, keep);
	if (ttistable(key))
		return reef_plan_refuse(plan, "cannot share a table as key", step, key);
	if (!copy_value(plan, &k, key, step, key, reef_layout_is_record(content), false))
		return false;
	if (!copy_value(plan, &v, value, step, key, false, keep)) {
		if (ttisstring(&k) && reef_row_string_unref(tsvalue(&k)))
			reef_row_string_free(tsvalue(&k));
		return false;
	}
	luaH_set(plan->L, content, &k, &v);
	return true;
}

/* Fills the header of new content. */
static bool copy_content(struct reef_plan *plan, uint32_t step, Table *content) {
	struct reef_entries entries = reef_entries_of(plan->part->found.steps[step].table, content->alimit);
	const TValue *value;
	TValue key;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		if (!reef_plan_put(plan, content, &key, value, step, false))
			return false;
	}
	/* A row without metatable may be one, for a reader. */
	reef_layout_set_flags(plan->L, content, true);
	return true;
}

struct reef_switch *reef_plan_switch(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout) {
	struct reef_switch *change =
			reef_plan_grow((void **)&plan->switches, &plan->switch_count, &plan->switch_capacity, sizeof(*change));
	if (change == NULL)
		return NULL;
	change->row = plan->part->found.steps[step].data;
	change->entries = layout->hash;
	change->part = (uint32_t)(plan->part - plan->parts);
	change->step = step;
	if (reef_content_new(change->row, layout, &change->content))
		return change;
	plan->switch_count--;
	return NULL;
}

static bool plan_row(struct reef_plan *plan, uint32_t step) {
	struct reef_row *row = plan->part->found.steps[step].data;
	if (plan->patch && !reef_plan_is_fresh(row))
		return reef_plan_patch_row(plan, step);
	struct reef_layout layout = reef_layout_of(plan->part->found.steps[step].table);
	if (reef_plan_is_fresh(row)) {
		row->entries = (uint16_t)(layout.hash < REEF_MANY ? layout.hash : REEF_MANY);
		return (reef_content_new(row, &layout, &row->table) || reef_plan_no_memory(plan)) &&
			   copy_content(plan, step, &row->table);
	}
	bool same;
	if (!compare(plan, step, &layout, &same))
		return false;
	if (same)
		return true;
	struct reef_switch *change = reef_plan_switch(plan, step, &layout);
	return change == NULL ? reef_plan_no_memory(plan) : copy_content(plan, step, &change->content);
}

static struct reef_sheet *find_sheet(const char *name) {
	struct reef_sheet *sheet = reef_sheets;
	while (sheet != NULL && strcmp(sheet->name, name) != 0)
		sheet = sheet->next;
	return sheet;
}

static struct reef_sheet *new_sheet(const char *name) {
	struct reef_sheet *sheet = reef_try_malloc(sizeof(*sheet) + strlen(name) + 1);
	if (sheet != NULL) {
		*sheet = (struct reef_sheet){0};
		strcpy(sheet->name, name);
	}
	return sheet;
}

static bool begin_part(struct reef_plan *plan, lua_State *L, const char *name, bool create, char *why, size_t size) {
	plan->L = L;
	plan->why = why;
	plan->why_size = size;
	struct reef_sheet *sheet = find_sheet(name);
	if (sheet == NULL && !create) {
		snprintf(why, size, "there is no sheet '%.200s'", name);
		return false;
	}
	plan->part = reef_plan_grow((void **)&plan->parts, &plan->part_count, &plan->part_capacity, sizeof(*plan->part));
	if (plan->part == NULL)
		return reef_plan_no_memory(plan);
	reef_trail_init(&plan->part->found);
	plan->part->sheet = sheet != NULL ? sheet : new_sheet(name);
	if (plan->part->sheet != NULL)
		return true;
	plan->part_count--;
	return reef_plan_no_memory(plan);
}

static bool work_off(struct reef_plan *plan, bool ok) {
	for (uint32_t i = 0; ok && i < plan->part->found.count; i++)
		ok = plan_row(plan, i);
	reef_ptrmap_fini(&plan->rows);
	reef_ptrmap_fini(&plan->patches);
	return ok;
}

bool reef_plan_add(struct reef_plan *plan, lua_State *L, const char *name, int index, char *why, size_t size) {
	if (!begin_part(plan, L, name, true, why, size))
		return false;
	plan->patch = false;
	reef_ptrmap_init(&plan->rows);
	reef_ptrmap_init(&plan->patches);
	struct reef_sheet *sheet = plan->part->sheet;
	TValue old;
	setnilvalue(&old);
	if (sheet->root != NULL)
		sethvalue(L, &old, &sheet->root->table);
	struct reef_row *root = reef_plan_row_for(plan, (Table *)lua_topointer(L, index), &old, REEF_TRAIL_ROOT, NULL);
	if (sheet->version == 0)
		sheet->root = root;
	return work_off(plan, root != NULL);
}

bool reef_plan_patch(struct reef_plan *plan, lua_State *L, const char *name, int index, char *why, size_t size) {
	if (!begin_part(plan, L, name, false, why, size))
		return false;
	plan->patch = true;
	reef_ptrmap_init(&plan->rows);
	reef_ptrmap_init(&plan->patches);
	Table *source = (Table *)lua_topointer(L, index);
	struct reef_row *root = plan->part->sheet->root;
	return work_off(plan, (reef_ptrmap_put(&plan->patches, root, source) || reef_plan_no_memory(plan)) &&
								  reef_plan_take(plan, source, root, REEF_TRAIL_ROOT, NULL));
}

bool reef_plan_end(struct reef_plan *plan, lua_State *L, const char *name, char *why, size_t size) {
	if (!begin_part(plan, L, name, false, why, size))
		return false;
	struct reef_part *part = plan->part;
	struct reef_ptrmap seen;
	part->deleted = true;
	reef_ptrmap_init(&seen);
	Table *root = &part->sheet->root->table;
	bool ok = reef_ptrmap_put(&seen, root, root) && reef_trail_add(&part->found, root, NULL, REEF_TRAIL_ROOT, NULL);
	for (uint32_t at = 0; ok && at < part->found.count; at++)
		ok = reef_trail_add_children(&part->found, at, &seen);
	reef_ptrmap_fini(&seen);
	part->note = ok ? reef_note_new(root, part->sheet->name) : NULL;
	return part->note != NULL || reef_plan_no_memory(plan);
}

bool reef_plan_prepare(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->part_count; i++) {
		struct reef_sheet *sheet = plan->parts[i].sheet;
		if (sheet->version == 0 && !reef_ptrmap_put(&plan->references, sheet->root, (void *)(intptr_t)3))
			return false;
	}
	return plan->part_count == 0 || (reef_plan_make_removed_metatable(plan->L) && reef_plan_find_removed(plan));
}

void reef_plan_stat(const struct reef_plan *plan, size_t *changed, size_t *added, size_t *removed) {
	*changed = plan->switch_count;
	*added = plan->fresh_count;
	*removed = plan->removal_count;
	for (size_t i = 0; i < plan->part_count; i++)
		*removed += plan->parts[i].deleted ? plan->parts[i].found.count : 0;
}

/* ---- the end of a plan ---- */

static void give_up(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->fresh_count; i++) {
		reef_plan_unref_strings(&plan->fresh[i]->table);
		reef_content_free(plan->fresh[i], &plan->fresh[i]->table);
		reef_row_retire(plan->fresh[i], NULL);
		reef_row_free(plan->fresh[i]);
	}
	for (size_t i = 0; i < plan->switch_count; i++)
		reef_plan_unref_strings(&plan->switches[i].content);
	for (size_t i = 0; i < plan->part_count; i++) {
		if (plan->parts[i].sheet->version == 0)
			reef_free(plan->parts[i].sheet);
		reef_free(plan->parts[i].note);
	}
	for (size_t i = 0; i < plan->removal_count; i++)
		reef_free(plan->removals[i].note);
}

static void end_part(struct reef_part *part) {
	for (uint32_t i = 0; !part->deleted && i < part->found.count; i++) {
		struct reef_row *row = part->found.steps[i].data;
		row->planned = 0;
	}
	reef_trail_fini(&part->found);
}

void reef_plan_delete(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->part_count; i++)
		end_part(&plan->parts[i]);
	if (!plan->committed)
		give_up(plan);
	for (size_t i = 0; i < plan->switch_count; i++)
		reef_content_free(plan->switches[i].row, &plan->switches[i].content);
	reef_ptrmap_fini(&plan->references);
	reef_ptrmap_fini(&plan->removed);
	reef_free(plan->parts);
	reef_free(plan->fresh);
	reef_free(plan->switches);
	reef_free(plan->removals);
	reef_free(plan);
	end();
}
