/* Committing: the moment of the switch, and what follows from it. */
#include "commit.h"

#include "core/alloc.h"
#include "core/world.h"
#include "journal.h"
#include "removed.h"

static void commit_sheet(const struct reef_part *part) {
	if (part->deleted)
		reef_sheets_remove(part->sheet);
	else if (part->sheet->version++ == 0)
		reef_sheets_insert(part->sheet);
}

static void switch_all(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->switches.count; i++) {
		struct reef_switch *change = &plan->switches.items[i];
		reef_content_exchange(&change->row->table, &change->content);
	}
	for (size_t i = 0; i < plan->removals.count; i++) {
		struct reef_removal *removal = &plan->removals.items[i];
		reef_content_exchange(&removal->row->table, &removal->content);
		removal->row->table.metatable = reef_removed_metatable();
	}
	for (size_t i = 0; i < plan->parts.count; i++)
		commit_sheet(&plan->parts.items[i]);
}

static void retire_removed(struct reef_removal *removal) {
	reef_retired_unref_strings(&removal->content);
	reef_content_free(removal->row, &removal->content);
	reef_retired_add_row(removal->row, removal->note);
}

static void retire_sheet(const struct reef_part *part) {
	for (uint32_t i = 0; i < part->found.steps.count; i++)
		reef_retired_add_row(reef_row_of(part->found.steps.items[i].table), part->note);
	reef_free(part->sheet);
}

static void retire(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->references.capacity; i++) {
		struct reef_row *row = (struct reef_row *)(void *)plan->references.slots[i].key;
		if (row != NULL)
			row->refs = (uint32_t)((intptr_t)row->refs + reef_plan_count(plan, row));
	}
	for (size_t i = 0; i < plan->switches.count; i++) {
		struct reef_switch *change = &plan->switches.items[i];
		change->row->entries = (uint16_t)(change->entries < REEF_MANY ? change->entries : REEF_MANY);
		reef_retired_unref_strings(&change->content);
	}
	for (size_t i = 0; i < plan->removals.count; i++)
		retire_removed(&plan->removals.items[i]);
	for (size_t i = 0; i < plan->parts.count; i++) {
		if (plan->parts.items[i].deleted)
			retire_sheet(&plan->parts.items[i]);
	}
}

bool reef_commit(struct reef_plan *plan, uint64_t patience_ns, uint32_t *in_the_way) {
	for (size_t i = 0; i < plan->removals.count; i++) {
		struct reef_layout nothing = {0, 0, 0};
		reef_layout_apply(&nothing, &plan->removals.items[i].content, NULL);
		reef_layout_set_flags(plan->L, &plan->removals.items[i].content, false);
	}
	bool wanted = reef_journal_is_wanted();
	struct reef_journal_entry *entry = wanted ? reef_journal_new(plan) : NULL;
	for (size_t i = 0; i < plan->fresh.count; i++)
		reef_row_share(plan->fresh.items[i]);
	if (!reef_world_stop(patience_ns, in_the_way)) {
		reef_journal_free(entry);
		return false;
	}
	if (!wanted && reef_journal_is_wanted()) {
		/* Somebody has begun to read meanwhile, and his record has to have it: the next try notes it. */
		reef_world_resume();
		*in_the_way = 0;
		return false;
	}
	switch_all(plan);
	if (wanted)
		reef_journal_add(entry);
	reef_world_resume();
	plan->committed = true;
	retire(plan);
	reef_retired_collect(false);
	return true;
}
