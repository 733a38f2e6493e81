/* A set of tables, for who goes through many that were made one after the other: a bit for each place in a page of memory.
 * The owner's thread only; the tables are others'. */
#ifndef REEF_DATASHEET_SEEN_H
#define REEF_DATASHEET_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ptrmap.h"

#define REEF_SEEN_PAGE 4096

struct reef_seen {
	struct reef_ptrmap pages; /* number of a page -> its bits */
	uintptr_t page;           /* the last one */
	unsigned char *bits;
};

/* All zero is an empty set; this frees one. */
void reef_seen_fini(struct reef_seen *seen);
/* `*before`: it was in the set already. False when out of memory. */
bool reef_seen_add(struct reef_seen *seen, const void *p, bool *before);

#endif
