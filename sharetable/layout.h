/* How a shared table lies in memory: its array is exactly the dense part, its hash part has just the size it needs.
 *
 * Reading must never write, so whatever stock Lua computes when it first needs it is settled when the table is made: where
 * the array ends (`#t` has nothing to remember then), and which metamethods the table does not have. Any thread; the
 * tables belong to the caller.
 */
#ifndef REEF_SHARETABLE_LAYOUT_H
#define REEF_SHARETABLE_LAYOUT_H

#include <stdbool.h>

#include "overlay/ov.h"

struct reef_layout {
	unsigned int array; /* values at 1 .. array */
	unsigned int hash;  /* other entries */
	unsigned char log_size;
};

/* What a shared copy of `t` needs. May note in `t` where its array ends, as stock Lua does. */
struct reef_layout reef_layout_of(Table *t);

/* Bytes of the two parts together. */
size_t reef_layout_size(const struct reef_layout *layout);

/* Gives a table (all zero) its parts, in `memory` of that size, aligned to 8 bytes: an array to be written and nodes for
 * luaH_set to fill. That does not allocate, and so cannot raise, as long as there are no more entries than planned. */
void reef_layout_apply(const struct reef_layout *layout, Table *t, void *memory);

/* Is this an entry of the array that begins the table? */
static inline bool reef_layout_in_array(const Node *n, unsigned int array) {
	return keyisinteger(n) && l_castS2U(keyival(n)) - 1u < array;
}

/* Records have field names, dictionaries have data as keys: only the former are worth a place in the pool. */
bool reef_layout_is_record(const Table *t);

/* When the table is filled. `metamethods`: it may have some. */
void reef_layout_set_flags(lua_State *L, Table *t, bool metamethods);

#endif
