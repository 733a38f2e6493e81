/* Any Lua value as text that says what is in it. */
#ifndef REEF_HOST_SHOW_H
#define REEF_HOST_SHOW_H

#include <lua.h>

/* Pushes the text of the value at `index`: as luaL_tolstring, but of a table that has no text of its own its fields,
 * `{ code = 5, message = "no such user" }`, within bounds; fields whose names are those of secrets are hidden. */
const char *reef_show(lua_State *L, int index, size_t *size);

#endif
