/* What one VM holds of the shared heap: a record beside the VM, found through its registry.
 *
 * Made when it is first asked for; used only by the VM's own slice. It must outlive the VM's objects (finalizers may
 * still read shared tables while lua_close runs), so a VM that has one is ended by vm_close.h.
 */
#ifndef REEF_SHARETABLE_VM_H
#define REEF_SHARETABLE_VM_H

#include <stddef.h>

#include <stdbool.h>

#include <lua.h>

#include "core/array.h"

struct reef_code;
struct reef_holder;

enum reef_cache_mode { REEF_CACHE_ON, REEF_CACHE_OFF, REEF_CACHE_EXIST };

struct reef_vm {
	enum reef_cache_mode cache_mode;
	/* Versions of files, each referred to once. */
	struct REEF_ARRAY(struct reef_code *) codes;
	/* Versions of shared tables. */
	struct REEF_ARRAY(struct reef_holder *) holders;
	/* What others want to do when the VM is gone. */
	struct reef_vm_closer *closers;
	bool looks_again; /* after each collection, for versions that it could not let go */
};

/* NULL if there is none yet. */
struct reef_vm *reef_vm_find(lua_State *L);
/* Makes it. May raise a memory error. */
struct reef_vm *reef_vm_of(lua_State *L);
/* Calls closer->f when the VM's objects are gone, on the thread that ended it. The closer belongs to the caller. */
struct reef_vm_closer {
	struct reef_vm_closer *next;
	void (*f)(struct reef_vm_closer *closer);
};
void reef_vm_on_close(struct reef_vm *vm, struct reef_vm_closer *closer);
/* A new VM has its libraries: puts off its first collection until it has grown a little. */
void reef_vm_opened(lua_State *L);
/* The VM is closed, and its codes and holders are let go: calls the closers. See vm_close.h. */
void reef_vm_delete(struct reef_vm *vm);

#endif
