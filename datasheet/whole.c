/* Whole tables: a table that says all of a row is compared with it, by worklist, and new content is made where they
 * differ. */
#include "whole.h"

#include "beside.h"
#include "unchanged.h"

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

/* Looks at every entry, so that all tables are found. */
static bool compare_entries(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout, bool *same) {
	struct reef_row *row = plan->part->found.steps.items[step].data;
	struct reef_entries entries = reef_entries_of(plan->part->found.steps.items[step].table, layout->array);
	const TValue *value;
	TValue key;
	*same = layout->array == row->table.alimit && layout->hash == count_entries(row);
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		const TValue *old = luaH_get(&row->table, &key);
		if (!reef_beside_knows(plan->beside, &key))
			reef_unchanged_expect(entries.table, row, entries.at);
		if (ttistable(value)) {
			struct reef_row *child = reef_plan_row_for(plan, hvalue(value), old, step, &key);
			if (child == NULL)
				return false;
			*same &= ttistable(old) && hvalue(old) == &child->table;
		} else {
			*same &= reef_row_is_same(old, value);
		}
	}
	return true;
}

/* Compares all of a table with its row's content. */
static bool compare_all(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout, bool *same) {
	const struct reef_step *at = &plan->part->found.steps.items[step];
	plan->beside = reef_beside_begin(at->table, at->data);
	bool ok = compare_entries(plan, step, layout, same);
	reef_beside_end(plan->beside);
	plan->beside = NULL;
	return ok;
}

/* Fills the header of new content. */
static bool fill_content(struct reef_plan *plan, uint32_t step, Table *content) {
	const Table *source = plan->part->found.steps.items[step].table;
	struct reef_entries entries = reef_entries_of(source, content->alimit);
	bool follows = reef_layout_follow(source, content);
	const TValue *value;
	TValue key;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		if (!reef_plan_put(plan, content, follows ? entries.node - 1 : -1, &key, value, step, false))
			return false;
	}
	/* A row without metatable may be one, for a reader. */
	reef_layout_set_flags(plan->L, content, true);
	return true;
}

bool reef_whole_plan_row(struct reef_plan *plan, uint32_t step) {
	struct reef_row *row = plan->part->found.steps.items[step].data;
	struct reef_layout layout = reef_layout_of(plan->part->found.steps.items[step].table);
	if (reef_plan_is_fresh(row)) {
		row->entries = (uint16_t)(layout.hash < REEF_MANY ? layout.hash : REEF_MANY);
		return (reef_content_new(row, &layout, &row->table) || reef_plan_no_memory(plan)) &&
			   fill_content(plan, step, &row->table);
	}
	bool same;
	if (!compare_all(plan, step, &layout, &same))
		return false;
	if (same)
		return true;
	struct reef_switch *change = reef_plan_switch(plan, step, &layout);
	return change == NULL ? reef_plan_no_memory(plan) : fill_content(plan, step, &change->content);
}
