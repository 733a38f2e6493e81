/* The walk: one linear pass over the lists of a VM's objects that finds every reference into given snapshots, and puts
 * what they have become in its place. It proves that a VM refers to a snapshot no more.
 *
 * Belongs to the VM's slice, and is called from a C function of the VM.
 */
#ifndef REEF_SHARETABLE_WALK_H
#define REEF_SHARETABLE_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct reef_snapshot;
struct reef_change;

struct reef_walk {
	const struct reef_snapshot *from;
	const struct reef_change *change; /* NULL: tables and functions stay, and count as left */
	size_t replaced;                  /* out: references that were replaced */
	size_t left;                      /* out: references that remain */
	const char *pinned_by;            /* out: what kind of thing holds one of those; NULL if none is left */
};

/* Tables and functions become what the change says, or nil; strings become the VM's own. These stay, and are left:
 * functions that are running, closures that a shared function made, and strings that C code may look at by address
 * (arguments of C functions that are running, values that a C closure, a userdata or the registry keeps).
 * False when out of memory: nothing has changed. */
bool reef_walk(lua_State *L, struct reef_walk *walks, int n);

#endif
