/* Long Lua strings whose bytes are filled in afterwards: received data then needs no copy of its own. */
#ifndef REEF_REDIS_LONG_STRING_H
#define REEF_REDIS_LONG_STRING_H

#include <stddef.h>

#include <lua.h>

/* Pushes a string of `size` bytes, more than any short string has; returns where they are. They have to be written
 * before any code but the caller's sees the string. Raises an error when there is no memory. */
char *reef_push_long_string(lua_State *L, size_t size);

#endif
