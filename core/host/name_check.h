/* Names and paths that come from Lua and are texts in C: checked here, and nowhere else.
 *
 * To C a text ends at its first NUL, so that "a\0b" would be "a": another service, file, host or sheet than was meant.
 * Everything that hands a string of Lua's to C as a name takes it through these. Own slice only. */
#ifndef REEF_HOST_NAME_CHECK_H
#define REEF_HOST_NAME_CHECK_H

#include <lua.h>

/* The string (or number) at argument `index`. Raises `bad argument` for other types, and if it contains a NUL. */
const char *reef_check_name(lua_State *L, int index);
/* The same; `absent` stands for none or nil, and may be NULL. */
const char *reef_opt_name(lua_State *L, int index, const char *absent);
/* The string at any place of the stack, which `what` says in the error. */
const char *reef_check_name_at(lua_State *L, int index, const char *what);

#endif
