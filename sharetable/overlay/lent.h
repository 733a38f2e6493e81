/* Tables whose parts, array and nodes, are lent: they lie in memory that many VMs read and nobody writes, until one of these
 * VMs is about to change its table. The header is each VM's own.
 *
 * What is lent refers to no object but those that all VMs share for as long as any of these VMs lives; so collectors find
 * nothing there to mark, to clear or to free. Whatever writes a table makes such parts its own before (ov.h says how it
 * notices). The VM's thread only.
 */
#ifndef REEF_SHARETABLE_LENT_H
#define REEF_SHARETABLE_LENT_H

#include <stdbool.h>
#include <stddef.h>

struct lua_State;
struct Table;

/* Where the parts of a table lie; no bytes: it has no such part. */
struct reef_parts {
	char *array, *nodes;
	size_t array_size, nodes_size; /* in bytes */
};
struct reef_parts reef_parts_of(const struct Table *t);

/* May they be lent, if all that they refer to is shared by all VMs? Not if it may go while these live, or if a collector
 * would write there. */
bool reef_can_lend(const struct Table *t);
/* The bytes that they take where they are lent, a multiple of 8; 0: there are none. */
size_t reef_lent_size(const struct reef_parts *parts);
/* From now on the table's parts are lent, at `memory`. Returns where their content belongs, which the caller puts there. */
struct reef_parts reef_lend(struct Table *t, char *memory);

/* The index of the node that `lastfree` leads to, of any table that has nodes. */
ptrdiff_t reef_last_free(const struct Table *t);

/* Makes lent parts the table's own. Raises when there is no memory; nothing has changed then. */
void reef_own(struct lua_State *L, struct Table *t);

#endif
