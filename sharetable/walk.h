/* The walk: one pass over all that may refer to shared objects in a VM, which finds every reference to given ones, and puts
 * what they have become in its place. It proves that a VM refers to them no more.
 *
 * Belongs to the VM's slice, and is called from a C function of the VM.
 */
#ifndef REEF_SHARETABLE_WALK_H
#define REEF_SHARETABLE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_owner;
struct reef_change;
struct reef_ptrmap;

/* One set of shared objects, and what is to become of references to them. */
struct reef_walk {
	const struct reef_owner *owner;
	uintptr_t lo, hi;                       /* they all lie there */
	const struct reef_ptrmap *members;      /* its keys are the objects; NULL: all that the owner has */
	const struct reef_change *change;       /* NULL: tables and functions stay, and count as left */
	void (*leave)(void *ud, const void *o); /* called for each reference that is left; may be NULL */
	void *ud;
	size_t replaced;       /* out: references that were replaced */
	size_t left;           /* out: references that remain */
	const char *pinned_by; /* out: what kind of thing holds one of those; NULL if none is left */
};

/* Tables and functions become what the change says, or nil; strings become the VM's own. These stay, and are left:
 * functions that are running, closures that a shared function made, and strings that C code may look at by address
 * (arguments of C functions that are running, values that a C closure, a userdata or the registry keeps).
 * False when out of memory: nothing has changed. */
bool reef_walk(lua_State *L, struct reef_walk *walks, int n);

#endif
