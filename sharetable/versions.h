/* Versions of named tables, as skynet.sharetable has them.
 *
 * Publishing puts a snapshot in the place of the current one. VMs hold the versions that they asked for; going over to
 * the current ones (reef_versions_update) replaces all references in the VM and lets go of every version to which none
 * is left, by proof. A version that is not current and that no VM holds is freed at once.
 *
 * Any thread may publish and ask for statistics; what has a VM among its arguments belongs to that VM's slice.
 */
#ifndef REEF_SHARETABLE_VERSIONS_H
#define REEF_SHARETABLE_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_snapshot;
struct reef_vm;
struct reef_holder;

/* Takes the snapshot, whose name is the name. False when out of memory: it is deleted then. */
bool reef_versions_publish(struct reef_snapshot *snapshot);

/* Pushes the current table of that name, which the VM holds from now on. False: there is none, nothing is pushed. May
 * raise a memory error. */
bool reef_versions_query(lua_State *L, const char *name);

/* Replaces in the VM what refers to versions of `name` that it holds and that are not current; NULL: of all names.
 * False when out of memory: nothing was replaced. */
bool reef_versions_update(lua_State *L, const char *name);

/* The same for what the last updates had to leave, with the versions that these have brought: nothing else becomes newer. */
bool reef_versions_update_rest(lua_State *L);

/* Pushes the newest table of that name that the VM holds, whose number it writes. False: it holds none, nothing is pushed. */
bool reef_versions_held(lua_State *L, const char *name, uint64_t *number);

/* Has an update had to leave something in the VM? */
bool reef_versions_pinned(struct reef_vm *vm);

/* The VM is gone: lets go of all it held. */
void reef_versions_leave(struct reef_vm *vm);

struct reef_version_stat {
	const char *name;
	uint64_t number; /* of the version: 1, 2 ... among all that were ever published */
	size_t bytes;
	bool current;
	uint32_t address; /* a service that holds it, 0 for none: then it is the only record of the version */
	size_t left;      /* references that the last update had to leave; 0 before it, or for the current version */
	const char *pinned_by;
};
/* Calls `each` for every pair of a version and a service that holds it, with everything locked. */
void reef_versions_stat(void (*each)(void *ud, const struct reef_version_stat *stat), void *ud);

#endif
