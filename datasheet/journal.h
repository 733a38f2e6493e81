/* What publications have switched, for services that are recorded (core/seam.h): a record has a picture (sharetable/picture.h)
 * of each sheet where the service asks for it first, and of each row that was switched since, where the service could see
 * that first. Rows have their addresses as ids: these stay as long as a sheet leads to them.
 *
 * Nothing is kept while no service that is recorded has asked for a sheet. */
#ifndef REEF_DATASHEET_JOURNAL_H
#define REEF_DATASHEET_JOURNAL_H

#include <stdbool.h>

#include "core/text.h"
#include "plan.h"

struct reef_seam;
struct reef_journal_entry;

/* Sections of what is recorded: each a byte, numbers and bytes. */
enum reef_journal_section {
	REEF_JOURNAL_ROWS = 1, /* a picture of rows that are new, or have other content */
	REEF_JOURNAL_REMOVED,  /* a row's address, and where it was */
	REEF_JOURNAL_DELETED,  /* a sheet's root, and its name */
};

/* ---- publishing: by who publishes ---- */

/* Does anybody want to know? */
bool reef_journal_is_wanted(void);
/* What the plan is about to switch, before any of it is. NULL when out of memory. */
struct reef_journal_entry *reef_journal_new(const struct reef_plan *plan);
void reef_journal_free(struct reef_journal_entry *entry);
/* While the world stands still: it is switched now. NULL: nobody knows what. */
void reef_journal_add(struct reef_journal_entry *entry);

/* ---- reading: in a slice of the service that is recorded ---- */

/* Adds what the record has to have of the sheet with that root; nothing, if it has it. */
void reef_journal_meet(struct reef_seam *seam, struct reef_text *to, const struct reef_row *root, lua_State *L);
/* Adds what was switched since the last look. */
void reef_journal_look(struct reef_seam *seam, struct reef_text *to);

#endif
