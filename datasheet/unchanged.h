/* Does a row say what a table says? For most rows of a large table that is published again the answer is yes, and that is all
 * that has to be found out about them. By the one who is publishing. */
#ifndef REEF_DATASHEET_UNCHANGED_H
#define REEF_DATASHEET_UNCHANGED_H

#include "row.h"

/* True: the table has the entries that the row has, and no tables among them. False may also be said of equal ones. */
bool reef_unchanged(const Table *source, const struct reef_row *row);

/* Will it stay as it is? One cell leads to such a row, so the plan has no other table for it. Who compares beside the
 * publisher looks at `refs` of any row, with a load of its own since the plan may be writing what is next to it, and at the
 * rest only of rows that are his. */
static inline bool reef_unchanged_stays(const Table *source, const struct reef_row *row) {
	return __atomic_load_n(&row->refs, __ATOMIC_RELAXED) == 1 && !row->planned && reef_unchanged(source, row);
}

/* While the lists are compared, where entry `at` is next: gets lines of memory on their way that later entries will want. */
void reef_unchanged_expect(const Table *source, const struct reef_row *row, unsigned int at);

#endif
