/* Publishing: what a plan takes in, in its order, and its end. */
#include "publish.h"

#include "commit.h"
#include "core/alloc.h"
#include "patch.h"
#include "removal.h"
#include "removed.h"
#include "whole.h"

bool reef_publish_begin(struct reef_plan **plan) {
	*plan = NULL;
	if (!reef_retired_begin_publishing())
		return false;
	*plan = reef_try_malloc(sizeof(**plan));
	if (*plan == NULL)
		reef_retired_end_publishing();
	else
		memset(*plan, 0, sizeof(**plan));
	return true;
}

static bool plan_row(struct reef_plan *plan, uint32_t step) {
	struct reef_row *row = plan->part->found.steps.items[step].data;
	return plan->patch && !reef_plan_is_fresh(row) ? reef_patch_plan_row(plan, step) : reef_whole_plan_row(plan, step);
}

static bool work_off(struct reef_plan *plan, bool ok) {
	for (uint32_t i = 0; ok && i < plan->part->found.steps.count; i++)
		ok = plan_row(plan, i);
	reef_plan_end_tables(plan);
	return ok;
}

bool reef_publish_table(struct reef_plan *plan, lua_State *L, const char *name, int index, char *why, size_t size) {
	if (!reef_plan_begin_part(plan, L, name, true, why, size))
		return false;
	reef_plan_begin_tables(plan, false);
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

bool reef_publish_patch(struct reef_plan *plan, lua_State *L, const char *name, int index, char *why, size_t size) {
	if (!reef_plan_begin_part(plan, L, name, false, why, size))
		return false;
	reef_plan_begin_tables(plan, true);
	Table *source = (Table *)lua_topointer(L, index);
	struct reef_row *root = plan->part->sheet->root;
	return work_off(plan, (reef_ptrmap_put(&plan->patches, root, source) || reef_plan_no_memory(plan)) &&
								  reef_plan_take(plan, source, root, REEF_TRAIL_ROOT, NULL));
}

bool reef_publish_deletion(struct reef_plan *plan, lua_State *L, const char *name, char *why, size_t size) {
	if (!reef_plan_begin_part(plan, L, name, false, why, size))
		return false;
	struct reef_part *part = plan->part;
	struct reef_ptrmap seen;
	part->deleted = true;
	reef_ptrmap_init(&seen);
	Table *root = &part->sheet->root->table;
	bool ok = reef_ptrmap_put(&seen, root, root) && reef_trail_add(&part->found, root, NULL, REEF_TRAIL_ROOT, NULL);
	for (uint32_t at = 0; ok && at < part->found.steps.count; at++)
		ok = reef_trail_add_children(&part->found, at, &seen);
	reef_ptrmap_fini(&seen);
	part->note = ok ? reef_note_new(root, part->sheet->name) : NULL;
	return part->note != NULL || reef_plan_no_memory(plan);
}

bool reef_publish_prepare(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->parts.count; i++) {
		struct reef_sheet *sheet = plan->parts.items[i].sheet;
		if (sheet->version == 0 && !reef_ptrmap_put(&plan->references, sheet->root, (void *)(intptr_t)3))
			return false;
	}
	return plan->parts.count == 0 || (reef_removed_prepare(plan->L) && reef_removal_find(plan));
}

void reef_publish_stat(const struct reef_plan *plan, size_t *changed, size_t *added, size_t *removed) {
	*changed = plan->switches.count;
	*added = plan->fresh.count;
	*removed = plan->removals.count;
	for (size_t i = 0; i < plan->parts.count; i++)
		*removed += plan->parts.items[i].deleted ? plan->parts.items[i].found.steps.count : 0;
}

bool reef_publish_commit(struct reef_plan *plan, uint64_t patience_ns, uint32_t *in_the_way) {
	return reef_commit(plan, patience_ns, in_the_way);
}

void reef_publish_end(struct reef_plan *plan) {
	reef_plan_free(plan);
	reef_retired_end_publishing();
}
