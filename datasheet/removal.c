/* What no sheet will lead to. Rows count who refers to them; counts find all that is gone but cycles. For those, a row
 * that has lost a reference is suspected, with all below it that the plan knows nothing of: whoever of these is referred
 * to by nobody but the suspects themselves is gone with them.
 */
#include "removal.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "sharetable/overlay/path.h"

static bool remove_row(struct reef_plan *plan, struct reef_row *row) {
	struct reef_removal *removal = reef_array_add(&plan->removals);
	if (removal == NULL)
		return false;
	removal->row = row;
	return reef_ptrmap_put(&plan->removed, row, (void *)plan->removals.count);
}

static bool is_removed(const struct reef_plan *plan, const struct reef_row *row) {
	return reef_ptrmap_get(&plan->removed, row) != NULL;
}

/* Counts what a content refers to; without any reference, a row is removed. */
static bool count_content(struct reef_plan *plan, const Table *content, intptr_t by) {
	struct reef_entries entries = reef_content_entries(content);
	const TValue *value;
	TValue key;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		if (!ttistable(value))
			continue;
		struct reef_row *row = reef_row_of(hvalue(value));
		intptr_t count = reef_plan_count(plan, row) + by;
		if (!reef_ptrmap_put(&plan->references, row, (void *)(count * 2 + 1)))
			return false;
		if (by < 0 && !reef_plan_is_fresh(row) && (intptr_t)row->refs + count == 0 && !is_removed(plan, row) &&
			!remove_row(plan, row))
			return false;
	}
	return true;
}

static bool count_removed(struct reef_plan *plan, size_t from) {
	bool ok = true;
	for (size_t i = from; ok && i < plan->removals.count; i++)
		ok = count_content(plan, &plan->removals.items[i].row->table, -1);
	return ok;
}

/* ---- cycles ---- */

struct suspects {
	struct reef_plan *plan;
	struct reef_trail rows;
	struct reef_ptrmap inside; /* row -> 2 * references from suspects + 1; 2: it is still needed */
};

#define NEEDED ((void *)2)

static bool suspect(struct suspects *s, struct reef_row *row, intptr_t references) {
	intptr_t inside = (intptr_t)reef_ptrmap_get(&s->inside, row);
	if (inside == 0 && !reef_trail_add(&s->rows, &row->table, row, REEF_TRAIL_ROOT, NULL))
		return false;
	return reef_ptrmap_put(&s->inside, row, (void *)((inside | 1) + 2 * references));
}

static bool suspect_content(struct suspects *s, const Table *content) {
	struct reef_entries entries = reef_content_entries(content);
	const TValue *value;
	TValue key;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		struct reef_row *row = ttistable(value) ? reef_row_of(hvalue(value)) : NULL;
		if (row != NULL && !row->planned && !is_removed(s->plan, row) && !suspect(s, row, 1))
			return false;
	}
	return true;
}

/* From a row that is needed on, all suspects are. */
static bool clear_suspects(struct suspects *s, Table *needed) {
	struct reef_trail trail;
	reef_trail_init(&trail);
	bool ok =
			reef_ptrmap_put(&s->inside, needed, NEEDED) && reef_trail_add(&trail, needed, NULL, REEF_TRAIL_ROOT, NULL);
	for (uint32_t at = 0; ok && at < trail.steps.count; at++) {
		struct reef_entries entries = reef_content_entries(trail.steps.items[at].table);
		const TValue *value;
		TValue key;
		while (ok && (value = reef_entries_next(&entries, &key)) != NULL) {
			void *inside = ttistable(value) ? reef_ptrmap_get(&s->inside, hvalue(value)) : NULL;
			if (inside != NULL && inside != NEEDED)
				ok = reef_ptrmap_put(&s->inside, hvalue(value), NEEDED) &&
					 reef_trail_add(&trail, hvalue(value), NULL, REEF_TRAIL_ROOT, NULL);
		}
	}
	reef_trail_fini(&trail);
	return ok;
}

static bool find_suspects(struct suspects *s) {
	const struct reef_plan *plan = s->plan;
	for (size_t i = 0; i < plan->references.capacity; i++) {
		struct reef_row *row = (struct reef_row *)(void *)plan->references.slots[i].key;
		if (row != NULL && !reef_plan_is_fresh(row) && !row->planned && reef_plan_count(plan, row) < 0 &&
			!is_removed(plan, row) && !suspect(s, row, 0))
			return false;
	}
	for (uint32_t at = 0; at < s->rows.steps.count; at++) {
		if (!suspect_content(s, s->rows.steps.items[at].table))
			return false;
	}
	return true;
}

static bool judge(struct suspects *s) {
	for (uint32_t at = 0; at < s->rows.steps.count; at++) {
		struct reef_row *row = s->rows.steps.items[at].data;
		intptr_t inside = (intptr_t)reef_ptrmap_get(&s->inside, row);
		if (inside % 2 != 0 && (intptr_t)row->refs + reef_plan_count(s->plan, row) > inside / 2 &&
			!clear_suspects(s, &row->table))
			return false;
	}
	size_t first = s->plan->removals.count;
	for (uint32_t at = 0; at < s->rows.steps.count; at++) {
		struct reef_row *row = s->rows.steps.items[at].data;
		if (reef_ptrmap_get(&s->inside, row) != NEEDED && !remove_row(s->plan, row))
			return false;
	}
	return count_removed(s->plan, first);
}

static bool find_cycles(struct reef_plan *plan) {
	struct suspects s = {.plan = plan};
	reef_trail_init(&s.rows);
	reef_ptrmap_init(&s.inside);
	bool ok = find_suspects(&s) && judge(&s);
	reef_trail_fini(&s.rows);
	reef_ptrmap_fini(&s.inside);
	return ok;
}

/* ---- where they were ---- */

/* Notes the paths of the removed rows that a content refers to, and adds them to the list of those whose own content is to
 * be looked at. */
static bool note_content(struct reef_plan *plan, const Table *content, const char *path, size_t *order, size_t *count) {
	struct reef_entries entries = reef_content_entries(content);
	const TValue *value;
	TValue key;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		size_t index = ttistable(value) ? (size_t)reef_ptrmap_get(&plan->removed, reef_row_of(hvalue(value))) : 0;
		if (index == 0 || plan->removals.items[index - 1].note != NULL)
			continue;
		char child[256];
		snprintf(child, sizeof(child), "%.255s", path);
		reef_path_append(child, sizeof(child), &key);
		plan->removals.items[index - 1].note = reef_note_new(NULL, child);
		if (plan->removals.items[index - 1].note == NULL)
			return false;
		order[(*count)++] = index - 1;
	}
	return true;
}

static bool note_paths(struct reef_plan *plan) {
	size_t *order = reef_try_malloc(plan->removals.count * sizeof(*order)), count = 0;
	bool ok = order != NULL;
	for (size_t i = 0; ok && i < plan->switches.count; i++) {
		const struct reef_switch *change = &plan->switches.items[i];
		const struct reef_part *part = &plan->parts.items[change->part];
		char path[256];
		snprintf(path, sizeof(path), "%.100s", part->sheet->name);
		reef_trail_way(&part->found, change->step, path, sizeof(path));
		ok = note_content(plan, &change->row->table, path, order, &count);
	}
	for (size_t i = 0; ok && i < count; i++) {
		const struct reef_removal *removal = &plan->removals.items[order[i]];
		ok = note_content(plan, &removal->row->table, reef_note_path(removal->note), order, &count);
	}
	reef_free(order);
	return ok;
}

bool reef_removal_find(struct reef_plan *plan) {
	bool ok = true;
	for (size_t i = 0; ok && i < plan->fresh.count; i++)
		ok = count_content(plan, &plan->fresh.items[i]->table, 1);
	for (size_t i = 0; ok && i < plan->switches.count; i++)
		ok = count_content(plan, &plan->switches.items[i].content, 1);
	for (size_t i = 0; ok && i < plan->switches.count; i++)
		ok = count_content(plan, &plan->switches.items[i].row->table, -1);
	return ok && count_removed(plan, 0) && find_cycles(plan) && (plan->removals.count == 0 || note_paths(plan));
}
