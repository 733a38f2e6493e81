/* Texts of Lua that are nothing but a table of constants, `return { ... }`, as files of data are: the table is made at once,
 * without a compiler and a function that makes it. Whatever is more than that, or wrong, is for Lua to read.
 *
 * The table is the one that Lua makes of it, down to the order of `next` where no table has more than some dozens of names,
 * or list items beside them. The VM's thread only.
 */
#ifndef REEF_SHARETABLE_LITERAL_H
#define REEF_SHARETABLE_LITERAL_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Pushes the table that the text is. False, and nothing is pushed: Lua has to read it. Behind the n bytes is a NUL. May raise
 * as whatever makes values may. */
bool reef_literal_push(lua_State *L, const char *text, size_t n);

#endif
