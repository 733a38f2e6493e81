/* Parts of tables that are the same in all copies of a VM are not copied: they lie in memory that all copies read until
 * they change the table (sharetable/overlay/lent.h). Changes the VMs of builds, which are their owner's. */
#ifndef REEF_COPY_LEND_H
#define REEF_COPY_LEND_H

#include <stdbool.h>
#include <stddef.h>

struct reef_build;

/* Lends what can be in two builds of one VM, which refer to the same memory from then on: read-only and for reef_unmap,
 * NULL if there is nothing to lend. False: there was no memory, and nothing has changed. */
bool reef_copy_lend(struct reef_build *a, struct reef_build *b, char **memory, size_t *size);

#endif
