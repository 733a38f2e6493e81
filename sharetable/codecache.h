/* The code cache: a file is compiled once a process, and each VM gets closures over the same code.
 *
 * A cached file is a version: the code as it was when it was first loaded. Each VM that has loaded it refers to it once,
 * until the VM ends. Evicting a file makes the next load read it again; the old version stays for those who use it and
 * is freed with the last of them. Loading belongs to a VM's slice; the rest may be called by any thread.
 */
#ifndef REEF_SHARETABLE_CODECACHE_H
#define REEF_SHARETABLE_CODECACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_vm;

/* As luaL_loadfilex, through the cache in the VM's mode. Errors are not cached. */
int reef_codecache_load(lua_State *L, const char *name, const char *mode);

/* Forgets a file, or all of them, for loads to come. Returns how many were forgotten. */
size_t reef_codecache_evict(const char *name);
size_t reef_codecache_clear(void);

/* The VM is gone: lets go of all versions it used. */
void reef_codecache_leave(struct reef_vm *vm);

/* For copies of VMs. `kept`, an empty record, takes what `vm` uses: it holds the versions, and counts for none that uses
 * them. */
void reef_codecache_keep(struct reef_vm *kept, struct reef_vm *vm);
/* A new VM uses what is kept. False when out of memory. */
bool reef_codecache_copy(struct reef_vm *vm, const struct reef_vm *kept);
void reef_codecache_let_go(struct reef_vm *kept);
/* Changes with each file that is forgotten. Any thread. */
uint64_t reef_codecache_version(void);

struct reef_code_stat {
	const char *name;
	size_t bytes;
	size_t vms;   /* that use it */
	bool current; /* false: evicted, and kept for those VMs */
};
/* Calls `each` for all versions, with the cache locked. */
void reef_codecache_stat(void (*each)(void *ud, const struct reef_code_stat *stat), void *ud);

#endif
