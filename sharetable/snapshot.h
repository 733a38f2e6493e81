/* Snapshots: Lua tables and code, frozen for all VMs of the process.
 *
 * Freezing is a deep copy into an arena of its own; the VM that it came from may go away. A VM that a snapshot was pushed
 * to sees ordinary tables, strings and functions that cannot be written. Whoever holds a pointer to a snapshot sees to it
 * that it outlives every reference to its objects: see versions.h and walk.h. Freezing touches one VM, in its slice;
 * everything else may be called by any thread.
 */
#ifndef REEF_SHARETABLE_SNAPSHOT_H
#define REEF_SHARETABLE_SNAPSHOT_H

#include <stddef.h>

#include <lua.h>

struct reef_snapshot;

/* Freezes the table at `index`. May be shared: nil, booleans, numbers, strings, light userdata, C functions without and
 * Lua functions without upvalues, tables of these with any keys, references among them, cycles and metatables. Entries of a
 * table that has just the size it needs keep their places. `name` is what messages call the root. NULL: `why` (of `size` bytes) says what cannot be shared, and where. Never raises. */
struct reef_snapshot *reef_snapshot_table(lua_State *L, int index, const char *name, char *why, size_t size);

/* Freezes the code of the Lua function at `index`; its upvalues do not matter. */
struct reef_snapshot *reef_snapshot_code(lua_State *L, int index, const char *name, char *why, size_t size);

/* Pushes the root table; or a fresh closure over the code, whose first upvalue is the table of globals and whose others
 * are nil, as lua_load does. May raise a memory error (code only); one slot of stack must be free, for code two. */
void reef_snapshot_push(lua_State *L, const struct reef_snapshot *snapshot);

const char *reef_snapshot_name(const struct reef_snapshot *snapshot);
/* Bytes of memory it takes. */
size_t reef_snapshot_size(const struct reef_snapshot *snapshot);

struct reef_walk;
/* Sets up a walk that looks for references into it. */
void reef_snapshot_walk(const struct reef_snapshot *snapshot, struct reef_walk *walk);

/* Unmaps it. */
void reef_snapshot_delete(struct reef_snapshot *snapshot);

#endif
