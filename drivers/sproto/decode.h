/* sproto messages to Lua tables. In the VM's own slice. */
#ifndef REEF_SPROTO_DECODE_H
#define REEF_SPROTO_DECODE_H

#include <lua.h>

#include "schema.h"

/* Sets the fields of the table on top of the stack. `names` is the index of the array of the fields' names. How many bytes
 * the message takes. Raises bad bytes, with the type. */
size_t reef_sproto_decode(lua_State *L, const struct reef_sproto *schema, int type, const char *bytes, size_t n,
						  int names);

#endif
