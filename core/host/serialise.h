/* Lua values as bytes: the `lua` protocol between services (and nodes).
 *
 * A tag byte is type | cookie << 3, little-endian integers follow. Types: 0 nil; 1 boolean (cookie); 2 number (cookie 0:
 * zero, 1: u8, 2: u16, 4: i32, 6: i64, 8: double); 3 light userdata (8 bytes); 4 short string (cookie: length below 32);
 * 5 long string (cookie 2: u16 length, 4: u32 length); 6 table (cookie: length of the array part, 31: an integer value
 * with it follows), its array, then key and value pairs up to a nil key. Tables nest at most 32 deep. Equal references
 * are written again; metatables are lost, but a table with __pairs is written as what that iterates, and of an empty
 * table with the metatable of arrays the nil at the end has cookie 1, so that it is one again where it is read.
 *
 * Any thread that owns the Lua state. */
#ifndef REEF_SERIALISE_H
#define REEF_SERIALISE_H

#include <stddef.h>

#include "core/message.h"
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
void reef_push_array_metatable(lua_State *L);

/* Pushes the values and returns how many there are. -1: the bytes are no values, and an error text has been pushed
 * instead. Trusts nothing in them. Raises only when memory is gone. */
int reef_unpack(lua_State *L, const void *data, size_t size);

#endif
