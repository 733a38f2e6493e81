/* What `debug` shows of functions and userdata of C: nothing that they keep. */
#ifndef REEF_HOST_DEBUG_LIBRARY_H
#define REEF_HOST_DEBUG_LIBRARY_H

#include <lua.h>

/* Puts functions of ours into the VM's table `debug`. */
void reef_debug_library_open(lua_State *L);

#endif
