/* The memory of a VM: counted, limited and reported. */
#ifndef REEF_ALLOCATOR_H
#define REEF_ALLOCATOR_H

#include <stddef.h>
#include <stdint.h>

/* Lua's allocator (lua_Alloc); `ud` is the host. */
void *reef_allocator_run(void *ud, void *p, size_t old_size, size_t new_size);
/* Bytes that the VM of that service has allocated; 0 if it is none of ours. Any thread inside the engine. */
size_t reef_allocator_bytes(uint32_t handle);

#endif
