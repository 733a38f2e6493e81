/* The steps that planning is made of.
 *
 * A row keeps its place as long as there is a table at its path; so references that readers hold stay valid. A table that
 * is found twice in the new data is one row, as it was one table.
 */
#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "beside.h"
#include "core/alloc.h"
#include "sharetable/overlay/path.h"
#include "unchanged.h"

const char reef_plan_nothing;

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
	struct reef_row **slot = reef_array_add(&plan->fresh);
	if (slot == NULL)
		return NULL;
	struct reef_layout layout = reef_layout_of(source);
	struct reef_row *row = reef_row_new(&layout);
	*slot = row;
	if (row == NULL)
		plan->fresh.count--;
	return row;
}

bool reef_plan_take(struct reef_plan *plan, Table *source, struct reef_row *row, uint32_t step, const TValue *key) {
	if (row == NULL || !reef_trail_add(&plan->part->found, source, row, step, key))
		return reef_plan_no_memory(plan);
	row->planned = 1;
	return true;
}

/* Gives a table a row: that of its place, unless another table has it. */
static struct reef_row *give_row(struct reef_plan *plan, Table *source, const TValue *old, uint32_t step,
								 const TValue *key) {
	struct reef_row *row;
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

/* The row that stays as it is for a table that was not seen before; NULL if none does. To it leads one cell, so it was not
 * met before and will not be met again: nothing is noted about it, neither that it is planned nor a step. */
static struct reef_row *leave_row(struct reef_plan *plan, const Table *source, const TValue *old, const TValue *key) {
	struct reef_row *row = old != NULL && ttistable(old) ? reef_row_of(hvalue(old)) : NULL;
	if (row == NULL || !(reef_beside_knows(plan->beside, key) ? reef_beside_is_unchanged(plan->beside, key)
															  : reef_unchanged_stays(source, row)))
		return NULL;
	return !plan->recalled || reef_ptrmap_put(&plan->rows, source, row) ? row : NULL;
}

/* A table was found again that had left its row as it is. Finds out which tables did so before this entry: these were worked
 * off in the same order. */
static bool recall(struct reef_plan *plan, uint32_t step, const TValue *key) {
	plan->recalled = true;
	for (uint32_t i = 0; i <= step; i++) {
		const struct reef_step *at = &plan->part->found.steps.items[i];
		struct reef_row *row = at->data;
		if (reef_plan_is_fresh(row))
			continue;
		struct reef_layout layout = reef_layout_of(at->table);
		struct reef_entries entries = reef_entries_of(at->table, layout.array);
		const TValue *value;
		TValue k;
		while ((value = reef_entries_next(&entries, &k)) != NULL && !(i == step && luaV_rawequalobj(&k, key))) {
			const TValue *old = luaH_get(&row->table, &k);
			if (ttistable(value) && ttistable(old) && reef_ptrmap_get(&plan->rows, hvalue(value)) == NULL &&
				!reef_ptrmap_put(&plan->rows, hvalue(value), reef_row_of(hvalue(old))))
				return reef_plan_no_memory(plan);
		}
	}
	return true;
}

struct reef_row *reef_plan_row_for(struct reef_plan *plan, Table *source, const TValue *old, uint32_t step,
								   const TValue *key) {
	bool before;
	if (!reef_seen_add(&plan->seen, source, &before)) {
		reef_plan_no_memory(plan);
		return NULL;
	}
	struct reef_row *row = before ? reef_ptrmap_get(&plan->rows, source) : leave_row(plan, source, old, key);
	if (before && row == NULL) {
		if (!recall(plan, step, key))
			return NULL;
		row = reef_ptrmap_get(&plan->rows, source);
	}
	return row != NULL ? row : give_row(plan, source, old, step, key);
}

/* The row of a table in a step that was compared, entry by entry. */
static struct reef_row *compared_row(const struct reef_plan *plan, const Table *source, uint32_t step,
									 const TValue *key) {
	const struct reef_row *row = plan->part->found.steps.items[step].data;
	struct reef_row *found = reef_ptrmap_get(&plan->rows, source);
	return found != NULL ? found : reef_row_of(hvalue(luaH_get((Table *)&row->table, key)));
}

static const char *refusal_of(const TValue *v) {
	return ttisfunction(v)       ? "cannot share a function"
		   : ttisfulluserdata(v) ? "cannot share a userdata"
								 : "cannot share a coroutine";
}

/* A value of new content. Tables have their rows already, or get fresh ones. */
static bool plan_copy_value(struct reef_plan *plan, TValue *to, const TValue *from, uint32_t step, const TValue *key,
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
		bool compared = !plan->patch && !reef_plan_is_fresh(plan->part->found.steps.items[step].data);
		struct reef_row *row = compared ? compared_row(plan, hvalue(from), step, key)
										: reef_plan_row_for(plan, hvalue(from), NULL, step, key);
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

bool reef_plan_put(struct reef_plan *plan, Table *content, int at, const TValue *key, const TValue *value,
				   uint32_t step, bool keep) {
	TValue k, v;
	if (ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < content->alimit)
		return plan_copy_value(plan, &content->array[ivalue(key) - 1], value, step, key, false, keep);
	if (ttistable(key))
		return reef_plan_refuse(plan, "cannot share a table as key", step, key);
	if (!plan_copy_value(plan, &k, key, step, key, reef_layout_is_record(content), false))
		return false;
	if (!plan_copy_value(plan, &v, value, step, key, false, keep)) {
		if (ttisstring(&k) && reef_row_string_unref(tsvalue(&k)))
			reef_row_string_free(tsvalue(&k));
		return false;
	}
	reef_layout_put(plan->L, content, at, &k, &v);
	return true;
}

struct reef_switch *reef_plan_switch(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout) {
	struct reef_switch *change = reef_array_add(&plan->switches);
	if (change == NULL)
		return NULL;
	change->row = plan->part->found.steps.items[step].data;
	change->entries = layout->hash;
	change->part = (uint32_t)(plan->part - plan->parts.items);
	change->step = step;
	if (reef_content_new(change->row, layout, &change->content))
		return change;
	plan->switches.count--;
	return NULL;
}

bool reef_plan_begin_part(struct reef_plan *plan, lua_State *L, const char *name, bool create, char *why, size_t size) {
	plan->L = L;
	plan->why = why;
	plan->why_size = size;
	struct reef_sheet *sheet = reef_sheets_find(name);
	if (sheet == NULL && !create) {
		snprintf(why, size, "there is no sheet '%.200s'", name);
		return false;
	}
	plan->part = reef_array_add(&plan->parts);
	if (plan->part == NULL)
		return reef_plan_no_memory(plan);
	reef_trail_init(&plan->part->found);
	plan->part->sheet = sheet != NULL ? sheet : reef_sheets_new(name);
	if (plan->part->sheet != NULL)
		return true;
	plan->parts.count--;
	return reef_plan_no_memory(plan);
}

void reef_plan_begin_tables(struct reef_plan *plan, bool patch) {
	plan->patch = patch;
	plan->recalled = false;
	reef_ptrmap_init(&plan->rows);
	reef_ptrmap_init(&plan->patches);
	plan->seen = (struct reef_seen){0};
}

void reef_plan_end_tables(struct reef_plan *plan) {
	reef_ptrmap_fini(&plan->rows);
	reef_ptrmap_fini(&plan->patches);
	reef_seen_fini(&plan->seen);
}

static void plan_give_up(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->fresh.count; i++) {
		reef_retired_unref_strings(&plan->fresh.items[i]->table);
		reef_content_free(plan->fresh.items[i], &plan->fresh.items[i]->table);
		reef_row_retire(plan->fresh.items[i], NULL);
		reef_row_free(plan->fresh.items[i]);
	}
	for (size_t i = 0; i < plan->switches.count; i++)
		reef_retired_unref_strings(&plan->switches.items[i].content);
	for (size_t i = 0; i < plan->parts.count; i++) {
		if (plan->parts.items[i].sheet->version == 0)
			reef_free(plan->parts.items[i].sheet);
		reef_free(plan->parts.items[i].note);
	}
	for (size_t i = 0; i < plan->removals.count; i++)
		reef_free(plan->removals.items[i].note);
}

static void end_part(struct reef_part *part) {
	for (uint32_t i = 0; !part->deleted && i < part->found.steps.count; i++) {
		struct reef_row *row = part->found.steps.items[i].data;
		row->planned = 0;
	}
	reef_trail_fini(&part->found);
}

void reef_plan_free(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->parts.count; i++)
		end_part(&plan->parts.items[i]);
	if (!plan->committed)
		plan_give_up(plan);
	for (size_t i = 0; i < plan->switches.count; i++)
		reef_content_free(plan->switches.items[i].row, &plan->switches.items[i].content);
	reef_ptrmap_fini(&plan->references);
	reef_ptrmap_fini(&plan->removed);
	reef_array_fini(&plan->parts);
	reef_array_fini(&plan->fresh);
	reef_array_fini(&plan->switches);
	reef_array_fini(&plan->removals);
	reef_free(plan);
}
