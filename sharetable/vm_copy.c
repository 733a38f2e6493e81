/* Records for copies of VMs: see vm_copy.h and core/host/host.h, where the contract is. */
#include "vm_copy.h"

#include <string.h>

#include "codecache.h"
#include "core/alloc.h"
#include "sharetable/overlay/referrers.h"
#include "vm.h"

static struct reef_vm *new_record(void) {
	struct reef_vm *vm = reef_try_malloc(sizeof(*vm));
	return vm ? memset(vm, 0, sizeof(*vm)) : NULL;
}

static void *record_find(lua_State *L) {
	return reef_vm_find(L);
}

static void *record_keep(lua_State *L) {
	struct reef_vm *vm = reef_vm_find(L);
	if (vm == NULL || vm->cache_mode != REEF_CACHE_ON || vm->holders.count > 0 || vm->closers != NULL ||
		reef_referrers_kept(L))
		return NULL;
	struct reef_vm *kept = new_record();
	if (kept)
		reef_codecache_keep(kept, vm);
	return kept;
}

static void *record_copy(const void *record) {
	const struct reef_vm *kept = record;
	struct reef_vm *vm = new_record();
	if (vm && !reef_codecache_copy(vm, kept)) {
		reef_free(vm);
		return NULL;
	}
	return vm;
}

static void record_let_go(void *record) {
	struct reef_vm *kept = record;
	reef_codecache_let_go(kept);
	reef_free(kept);
}

static void record_drop(void *record) {
	struct reef_vm *vm = record;
	if (vm == NULL)
		return;
	reef_codecache_leave(vm);
	reef_vm_delete(vm);
}

const struct reef_record_hooks reef_vm_record_hooks = {
		.find = record_find,
		.keep = record_keep,
		.copy = record_copy,
		.let_go = record_let_go,
		.drop = record_drop,
		.version = reef_codecache_version,
};
