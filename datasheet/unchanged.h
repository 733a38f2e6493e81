/* Does a row say what a table says? For most rows of a large table that is published again the answer is yes, and that is all
 * that has to be found out about them. By the one who is publishing. */
#ifndef REEF_DATASHEET_UNCHANGED_H
#define REEF_DATASHEET_UNCHANGED_H

#include "row.h"

/* True: the table has the entries that the row has, and no tables among them. False may also be said of equal ones. */
bool reef_unchanged(const Table *source, const struct reef_row *row);

/* While the lists are compared, where entry `at` is next: gets lines of memory on their way that later entries will want. */
void reef_unchanged_expect(const Table *source, const struct reef_row *row, unsigned int at);

#endif
