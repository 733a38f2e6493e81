/* Lua values to bytes: the `lua` protocol between services (and nodes); unpack.h is the way back.
 *
 * Tables nest at most 32 deep. Equal references are written again; metatables are lost, but a table with __pairs is
 * written as what that iterates, and an empty table with the metatable of arrays is one again where it is read. Any thread
 * that owns the Lua state. */
#ifndef REEF_PACK_H
#define REEF_PACK_H

#include <stddef.h>

#include <lua.h>

struct reef_message;

/* The values from stack index `first` to the top as a message of its own; the stack is left as it was. Raises a Lua
 * error for what cannot be written (no memory is lost then). */
struct reef_message *reef_pack_message(lua_State *L, int first);
/* The same as a block from reef_malloc; NULL with *size 0 if there are no values. */
void *reef_pack(lua_State *L, int first, size_t *size);
/* The same as a Lua string, left on the stack. */
void reef_pack_string(lua_State *L, int first);

/* Pushes the metatable of tables that are arrays also when they are empty; it has no metamethods. */
void reef_pack_array_metatable(lua_State *L);

#endif
