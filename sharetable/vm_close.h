/* The end of a VM that may use the shared heap. */
#ifndef REEF_SHARETABLE_VM_CLOSE_H
#define REEF_SHARETABLE_VM_CLOSE_H

#include <lua.h>

/* As lua_close; then lets go of everything the VM held. On the thread that ends the VM. */
void reef_vm_close(lua_State *L);

#endif
