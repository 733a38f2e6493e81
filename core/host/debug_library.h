/* What `debug` shows of functions and userdata of C: no upvalue and no user value; and it changes nothing that they keep. */
#ifndef REEF_HOST_DEBUG_LIBRARY_H
#define REEF_HOST_DEBUG_LIBRARY_H

#include <lua.h>

/* Puts functions of ours into the VM's table `debug`. */
void reef_debug_library_open(lua_State *L);

#endif
