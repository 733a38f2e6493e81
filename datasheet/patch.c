/* Patches: tables that name what changes are merged into the rows they meet, and nothing else is looked at. */
#include "patch.h"

static const TValue nothing = {{0}, LUA_VEMPTY};

static bool takes_away(const TValue *v) {
	return ttislightuserdata(v) && pvalue(v) == &reef_plan_nothing;
}

/* What a row has under a key afterwards: a value of its own (then `*keep`) or of the patch. */
static const TValue *merged(const TValue *old, const TValue *new, bool *keep) {
	*keep = isempty(new) || (ttistable(new) && ttistable(old));
	return *keep ? old : takes_away(new) ? &nothing : new;
}

static const TValue *merged_at(const Table *row, const Table *patch, lua_Integer i) {
	bool keep;
	return merged(luaH_getint((Table *)row, i), luaH_getint((Table *)patch, i), &keep);
}

/* A table of the patch meets a row. */
static bool meet(struct reef_plan *plan, Table *patch, struct reef_row *row, uint32_t step, const TValue *key) {
	if (!row->planned)
		return (reef_ptrmap_put(&plan->patches, row, patch) || reef_plan_no_memory(plan)) &&
			   reef_plan_take(plan, patch, row, step, key);
	return reef_ptrmap_get(&plan->patches, row) == patch ||
		   reef_plan_refuse(plan, "a row is changed in two places, once", step, key);
}

/* Does anything change in the row itself? Meets the rows below. */
static bool meet_all(struct reef_plan *plan, uint32_t step, Table *patch, Table *row, bool *same) {
	struct reef_entries entries = reef_entries_of(patch, 0);
	const TValue *new;
	TValue key;
	*same = true;
	while ((new = reef_entries_next(&entries, &key)) != NULL) {
		const TValue *old = luaH_get(row, &key);
		if (ttistable(new) && ttistable(old)) {
			if (!meet(plan, hvalue(new), reef_row_of(hvalue(old)), step, &key))
				return false;
		} else if (takes_away(new)) {
			*same &= isempty(old);
		} else {
			*same &= reef_row_is_same(old, new);
		}
	}
	return true;
}

static struct reef_layout merged_layout(const Table *row, const Table *patch) {
	struct reef_layout layout = {0, 0, 0};
	unsigned int total = 0;
	struct reef_entries entries = reef_content_entries(row);
	const TValue *value;
	TValue key;
	while (reef_entries_next(&entries, &key) != NULL)
		total += isempty(luaH_get((Table *)patch, &key));
	entries = reef_entries_of(patch, 0);
	while ((value = reef_entries_next(&entries, &key)) != NULL)
		total += !takes_away(value);
	while (layout.array < total && !isempty(merged_at(row, patch, (lua_Integer)layout.array + 1)))
		layout.array++;
	layout.hash = total - layout.array;
	if (layout.hash > 0)
		layout.log_size = cast_byte(luaO_ceillog2(layout.hash));
	return layout;
}

static bool fill_merged(struct reef_plan *plan, uint32_t step, Table *content, const Table *row, Table *patch) {
	struct reef_entries entries = reef_content_entries(row);
	const TValue *value, *old;
	TValue key;
	bool keep;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		if (isempty(luaH_get(patch, &key)) && !reef_plan_put(plan, content, -1, &key, value, step, true))
			return false;
	}
	entries = reef_entries_of(patch, 0);
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		old = luaH_get((Table *)row, &key);
		value = merged(old, value, &keep);
		if (!isempty(value) && !reef_plan_put(plan, content, -1, &key, value, step, keep))
			return false;
	}
	reef_layout_set_flags(plan->L, content, true);
	return true;
}

bool reef_patch_plan_row(struct reef_plan *plan, uint32_t step) {
	Table *patch = plan->part->found.steps.items[step].table;
	struct reef_row *row = plan->part->found.steps.items[step].data;
	bool same;
	if (patch->metatable != NULL)
		return reef_plan_refuse(plan, "cannot share a table with a metatable", step, NULL);
	if (!meet_all(plan, step, patch, &row->table, &same))
		return false;
	if (same)
		return true;
	struct reef_layout layout = merged_layout(&row->table, patch);
	struct reef_switch *change = reef_plan_switch(plan, step, &layout);
	return change == NULL ? reef_plan_no_memory(plan) : fill_merged(plan, step, &change->content, &row->table, patch);
}
