/* A long list that is published again is compared by two: the publisher begins at its first row, a thread of its own at the
 * last. What that one finds out is only whether rows say what the list's tables say.
 *
 * It reads the publisher's VM, which stands still: it ends before the publisher's step does. Rows that it calls unchanged
 * are led to by one cell, so the publisher does not touch them before it has asked.
 *
 * By the one who is publishing. */
#ifndef REEF_DATASHEET_BESIDE_H
#define REEF_DATASHEET_BESIDE_H

#include "row.h"

struct reef_beside;

/* Somebody is to compare the list with the row. NULL: that does not pay, no processor is idle, or memory is out. */
struct reef_beside *reef_beside_begin(const Table *list, const struct reef_row *row);
/* Nobody reads the VM or the rows any more. */
void reef_beside_end(struct reef_beside *beside);

/* Has the row that this key of the list leads to been compared? If not, nobody but the caller will do so. Keys come in the
 * order of the list. */
bool reef_beside_knows(struct reef_beside *beside, const TValue *key);
/* Of one that has been compared: does it stay as it is? */
bool reef_beside_is_unchanged(const struct reef_beside *beside, const TValue *key);

/* Tests: lists shorter than this are compared by one. */
extern unsigned int reef_beside_least;
/* Tests: rows that were compared beside the publisher. */
size_t reef_beside_compared(void);

#endif
