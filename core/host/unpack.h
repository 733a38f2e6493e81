/* Bytes to Lua values: see pack.h. Any thread that owns the Lua state. */
#ifndef REEF_UNPACK_H
#define REEF_UNPACK_H

#include <stddef.h>

#include <lua.h>

/* Pushes the values and returns how many there are. -1: the bytes are no values, and an error text has been pushed
 * instead. Trusts nothing in them. Raises only when memory is gone. */
int reef_unpack(lua_State *L, const void *data, size_t size);

#endif
