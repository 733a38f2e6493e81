/* Inside of publishing: what planning (plan.c) and committing (commit.c) share. */
#ifndef REEF_DATASHEET_PLAN_PRIVATE_H
#define REEF_DATASHEET_PLAN_PRIVATE_H

#include "row.h"
#include "sharetable/ptrmap.h"
#include "sharetable/trail.h"
#include "sheets.h"

struct reef_sheet {
	struct reef_sheet *next;
	struct reef_row *root;
	uint64_t version;
	char name[];
};

/* All sheets that were ever published; new ones come in front while the world stands still. */
extern struct reef_sheet *reef_sheets;

/* A row that gets new content. Before the commit `content` is the new one, afterwards the old one. */
struct reef_switch {
	struct reef_row *row;
	Table content;
	uint32_t entries;
};

/* A row that no sheet will lead to. */
struct reef_removal {
	struct reef_row *row;
	Table content; /* after the commit */
	char *path;
};

struct reef_plan {
	struct reef_sheet **sheets; /* that are published; new ones have version 0 */
	size_t sheet_count;
	struct reef_row **fresh; /* rows that nobody sees yet; their content is theirs already */
	size_t fresh_count, fresh_capacity;
	struct reef_switch *switches;
	size_t switch_count, switch_capacity;
	struct reef_removal *removals;
	size_t removal_count, removal_capacity;
	struct reef_ptrmap references; /* row -> change of its count, see plan_count */
	bool committed;

	/* While a table is added. */
	lua_State *L;
	struct reef_sheet *sheet;
	struct reef_ptrmap rows;  /* source table -> its row */
	struct reef_ptrmap taken; /* rows that have a source table */
	struct reef_trail found;
	char *why;
	size_t why_size;
};

/* A change of a row's count of references, kept as a pointer that is not NULL. */
static inline intptr_t reef_plan_count(const struct reef_plan *plan, const struct reef_row *row) {
	intptr_t v = (intptr_t)reef_ptrmap_get(&plan->references, row);
	return v == 0 ? 0 : v / 2;
}

/* Grows an array of the plan by one element; NULL when out of memory. */
void *reef_plan_grow(void **array, size_t *count, size_t *capacity, size_t size);
/* The content's strings have one reference less; those without any are retired. */
void reef_plan_unref_strings(const Table *content);
void reef_plan_finish(void);

#endif
