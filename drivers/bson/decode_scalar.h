/* Elements that are neither documents nor arrays as Lua values. The VM's thread only; raises when there is no memory. */
#ifndef REEF_BSON_DECODE_SCALAR_H
#define REEF_BSON_DECODE_SCALAR_H

#include <lua.h>

#include "reader.h"

/* Pushes the value of an element that a reader has found; flags as of decode.h. */
void reef_bson_decode_scalar(lua_State *L, const struct reef_bson_element *e, unsigned flags);
/* The same for a string. */
void reef_bson_decode_string(lua_State *L, const struct reef_bson_element *e, unsigned flags);

#endif
