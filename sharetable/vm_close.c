/* The end of a VM: its objects first, then what they referred to. */
#include "vm_close.h"

#include "codecache.h"
#include "versions.h"
#include "vm.h"

void reef_vm_close(lua_State *L) {
	struct reef_vm *vm = reef_vm_find(L);
	lua_close(L);
	if (vm != NULL) {
		reef_codecache_leave(vm);
		reef_versions_leave(vm);
		reef_vm_delete(vm);
	}
}
