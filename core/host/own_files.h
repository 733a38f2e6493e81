/* The Lua files that Reef brings: what lies below the directory `reef_lualib`. Listed once, so that a service which
 * looks for its modules among them first makes no system call. Any thread. */
#ifndef REEF_OWN_FILES_H
#define REEF_OWN_FILES_H

#include <lua.h>

/* Where they lie. */
const char *reef_own_directory(void);
/* The path of our file `relative` ("skynet/queue.lua"), which stays; NULL if we have none of that name. */
const char *reef_own_file(const char *relative);
/* As luaL_where(L, 1), but pushes the line of the user's code that is behind it: the lines of our own library would tell
 * nobody anything. */
void reef_own_where_user(lua_State *L);
/* As luaL_error, with that line. */
int reef_own_error(lua_State *L, const char *format, ...);

#endif
