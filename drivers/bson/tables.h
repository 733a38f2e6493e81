/* Tables that know what they are: arrays (also when empty) and documents that keep the order of their keys.
 *
 * An array is any table with the array metatable, which has no metamethods: it costs its users nothing. Messages between
 * services know that metatable, so that an empty array arrives as one. An ordered document is an ordinary table, read and
 * written as one; new keys go through __newindex, which notes their order in a list kept inside the document, and `pairs`
 * follows that list. The VM's thread only.
 */
#ifndef REEF_BSON_TABLES_H
#define REEF_BSON_TABLES_H

#include <lua.h>

/* Push the metatables. */
void reef_bson_tables_push_array_mt(lua_State *L);
void reef_bson_tables_push_document_mt(lua_State *L);
/* An ordered document keeps the list of its keys in itself, under this address as light userdata. */
extern const char reef_bson_tables_order;
/* Makes the document's metatable and adds `array`, `is_array` and `document` to the module on top of the stack. */
void reef_bson_tables_register(lua_State *L);

#endif
