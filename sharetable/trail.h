/* A worklist over a tree of tables that remembers how each table was reached, so that messages can say where it is.
 *
 * One thread at a time; the caller owns the struct. Recursion would let data decide how much stack is used.
 */
#ifndef REEF_SHARETABLE_TRAIL_H
#define REEF_SHARETABLE_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/array.h"
#include "core/ptrmap.h"
#include "sharetable/overlay/ov.h"

#define REEF_TRAIL_ROOT UINT32_MAX

struct reef_step {
	Table *table;
	void *data;      /* the user's */
	uint32_t parent; /* index of the step it was reached from, or REEF_TRAIL_ROOT */
	TValue key;      /* nil: as its metatable */
};

struct reef_trail {
	struct REEF_ARRAY(struct reef_step) steps;
};

void reef_trail_init(struct reef_trail *trail);
void reef_trail_fini(struct reef_trail *trail);
/* `key` may be NULL: the root, or a metatable. False when out of memory. */
bool reef_trail_add(struct reef_trail *trail, Table *table, void *data, uint32_t parent, const TValue *key);
/* Adds the tables that step `at` refers to: its metatable, its values and its keys, unless `seen` has them. False when
 * out of memory. */
bool reef_trail_add_children(struct reef_trail *trail, uint32_t at, struct reef_ptrmap *seen);
/* Appends to `path` the way to what `key` holds in that step's table (key NULL: to the table). Spoils the trail: only
 * reef_trail_fini may follow. */
void reef_trail_path(struct reef_trail *trail, uint32_t step, const TValue *key, char *path, size_t size);

/* Appends the way to the step's table, of which at most the last 32 keys, and leaves the trail as it is. */
void reef_trail_way(const struct reef_trail *trail, uint32_t step, char *path, size_t size);

/* Searches a tree for a table. True: `path` has the way to it, from the root's name on. Otherwise (it is not there, or
 * memory is out) it is as it was. */
bool reef_trail_find(Table *root, const Table *wanted, const char *name, char *path, size_t size);

#endif
