/* A plan: what a publication will change, and the steps that planning is made of. Whole tables (whole.h) and patches
 * (patch.h) fill it, what goes is found (removal.h), and the moment of the switch carries it out (commit.h).
 *
 * By the one who is publishing. Until the commit the plan owns all that it has made. */
#ifndef REEF_DATASHEET_PLAN_H
#define REEF_DATASHEET_PLAN_H

#include "core/array.h"
#include "core/ptrmap.h"
#include "retired.h"
#include "row.h"
#include "seen.h"
#include "sharetable/trail.h"
#include "sheets.h"

/* A sheet that is published or deleted. */
struct reef_part {
	struct reef_sheet *sheet; /* a new one has version 0 */
	struct reef_trail found;  /* the new tables, with their rows; of a deleted sheet, its rows */
	struct reef_note *note;   /* of the rows of one that is deleted */
	bool deleted;
};

/* A row that gets new content. Before the commit `content` is the new one, afterwards the old one. */
struct reef_switch {
	struct reef_row *row;
	Table content;
	uint32_t entries;
	uint32_t part, step; /* where the row was found */
};

/* A row that no sheet will lead to. */
struct reef_removal {
	struct reef_row *row;
	Table content; /* after the commit */
	struct reef_note *note;
};

/* In a patch, a light userdata with this address takes away what its key leads to. */
extern const char reef_plan_nothing;

struct reef_plan {
	struct REEF_ARRAY(struct reef_part) parts;
	struct REEF_ARRAY(struct reef_row *) fresh; /* rows that nobody sees yet; their content is theirs already */
	struct REEF_ARRAY(struct reef_switch) switches;
	struct REEF_ARRAY(struct reef_removal) removals;
	struct reef_ptrmap references; /* row -> change of its count, see reef_plan_count */
	struct reef_ptrmap removed;    /* row -> 1 + index of its removal */
	bool committed;

	/* While a table is added. */
	lua_State *L;
	struct reef_part *part;
	struct reef_ptrmap rows;    /* source table -> its row, unless that was left as it is */
	struct reef_seen seen;      /* source tables */
	bool recalled;              /* all source tables have their rows in the map */
	struct reef_beside *beside; /* who compares, too, while a step is compared; or NULL */
	struct reef_ptrmap patches; /* row -> the table that changes it */
	bool patch;
	char *why;
	size_t why_size;
};

/* A change of a row's count of references, kept as a pointer that is not NULL. */
static inline intptr_t reef_plan_count(const struct reef_plan *plan, const struct reef_row *row) {
	intptr_t v = (intptr_t)reef_ptrmap_get(&plan->references, row);
	return v == 0 ? 0 : (v - 1) / 2;
}

static inline bool reef_plan_is_fresh(const struct reef_row *row) {
	return !reef_is_shared(&row->table);
}

/* Begins a part: the sheet of that name, or, with `create`, a new one. False, with the reason written to `why`. */
bool reef_plan_begin_part(struct reef_plan *plan, lua_State *L, const char *name, bool create, char *why, size_t size);
/* Frees the plan, and what was made for it unless it was committed. */
void reef_plan_free(struct reef_plan *plan);

/* False, with the reason written. */
bool reef_plan_no_memory(struct reef_plan *plan);
bool reef_plan_refuse(struct reef_plan *plan, const char *what, uint32_t step, const TValue *key);

/* Begins to take in tables, of a part that has begun; and ends it. */
void reef_plan_begin_tables(struct reef_plan *plan, bool patch);
void reef_plan_end_tables(struct reef_plan *plan);
/* The row for a table that `key` leads to in a step; `old` is what the row of the step has there (NULL: nothing). NULL
 * after an error. */
struct reef_row *reef_plan_row_for(struct reef_plan *plan, Table *source, const TValue *old, uint32_t step,
								   const TValue *key);
/* Has a row `source` as its table from now on, and is worked off later. */
bool reef_plan_take(struct reef_plan *plan, Table *source, struct reef_row *row, uint32_t step, const TValue *key);
/* Adds an entry to new content, which has room for it: in the hash part at this index, if not -1 (reef_layout_put). A table gets its row, unless it is one that is to be kept. */
bool reef_plan_put(struct reef_plan *plan, Table *content, int at, const TValue *key, const TValue *value,
				   uint32_t step, bool keep);
/* Notes that the step's row gets content of that layout; NULL when out of memory. */
struct reef_switch *reef_plan_switch(struct reef_plan *plan, uint32_t step, const struct reef_layout *layout);

#endif
