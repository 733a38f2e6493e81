/* Tables of C functions for new VMs, copied from a template. */
#ifndef REEF_SHARETABLE_LIBRARY_H
#define REEF_SHARETABLE_LIBRARY_H

#include <lauxlib.h>
#include <lua.h>

/* Pushes a table with those C functions and room for `extra` more fields: as luaL_newlib, copied from a template after
 * the first time. The array must live as long as the process. May raise a memory error. Any thread. */
void reef_library_new(lua_State *L, const luaL_Reg *functions, int extra);

#endif
