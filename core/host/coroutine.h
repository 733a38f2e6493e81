/* coroutine.resume and coroutine.wrap of service VMs. */
#ifndef REEF_COROUTINE_H
#define REEF_COROUTINE_H

#include <lua.h>

/* Puts resume and wrap that let waits pass through into the library's table on top of the stack. */
void reef_coroutine_open(lua_State *L);

#endif
