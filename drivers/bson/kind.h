/* What values say about themselves: `type` and `kind`. The VM's thread only. */
#ifndef REEF_BSON_KIND_H
#define REEF_BSON_KIND_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

/* Adds them to the module on top of the stack. */
void reef_bson_kind_register(lua_State *L);
/* The BSON type of a tagged string (tag.h) of two bytes or more that begins with NUL; 0: it is tagged wrongly. */
uint8_t reef_bson_kind_of_tagged(const uint8_t *tagged, size_t size);

#endif
