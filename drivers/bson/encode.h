/* Lua tables to BSON bytes. Values that Lua has no type for are tagged strings (tag.h).
 *
 * The functions belong to the VM's thread and may raise; what they have written by then is in the writer.
 */
#ifndef REEF_BSON_ENCODE_H
#define REEF_BSON_ENCODE_H

#include <stddef.h>

#include <lua.h>

#include "order.h"
#include "writer.h"

/* Appends the table or `bson` object at `index` as a document. Raises with the path of what cannot be written. */
void reef_bson_encode(lua_State *L, int index, struct reef_writer *w, enum reef_bson_purpose purpose);
/* Appends the values first, first + 1 .. last as alternating keys and values of one document. */
void reef_bson_encode_pairs(lua_State *L, int first, int last, struct reef_writer *w);
/* The same from the list at `index`. */
void reef_bson_encode_list(lua_State *L, int index, struct reef_writer *w);
/* Appends an element with the Lua value at `index`. */
void reef_bson_encode_element(lua_State *L, const char *key, size_t key_size, int index, struct reef_writer *w);

#endif
