/* What one VM holds of the shared heap. */
#include "vm.h"

#include "sharetable/overlay/ov.h"

#include "core/alloc.h"

static const char vm_key; /* its address names the record in the registry */

struct reef_vm *reef_vm_find(lua_State *L) {
	lua_rawgetp(L, LUA_REGISTRYINDEX, &vm_key);
	struct reef_vm *vm = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return vm;
}

struct reef_vm *reef_vm_of(lua_State *L) {
	struct reef_vm *vm = reef_vm_find(L);
	if (vm == NULL) {
		/* The place in the registry first: that may raise. */
		lua_pushlightuserdata(L, NULL);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &vm_key);
		vm = reef_try_malloc(sizeof(*vm));
		if (vm == NULL)
			luaM_error(L);
		memset(vm, 0, sizeof(*vm));
		lua_pushlightuserdata(L, vm);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &vm_key);
	}
	return vm;
}

/* Bytes: about what a small service allocates until it is ready; most of that stays. */
#define FIRST_COLLECTION (10 * 1024)

void reef_vm_on_close(struct reef_vm *vm, struct reef_vm_closer *closer) {
	closer->next = vm->closers;
	vm->closers = closer;
}

void reef_vm_opened(lua_State *L) {
	luaE_setdebt(G(L), -(l_mem)FIRST_COLLECTION);
}

void reef_vm_delete(struct reef_vm *vm) {
	while (vm->closers != NULL) {
		struct reef_vm_closer *closer = vm->closers;
		vm->closers = closer->next;
		closer->f(closer);
	}
	reef_free(vm);
}
