/* The Lua files that Reef brings: what lies below the directory `reef_lualib`. Listed once, so that a service which
 * looks for its modules among them first makes no system call. Any thread. */
#ifndef REEF_OWN_FILES_H
#define REEF_OWN_FILES_H

#include <stdbool.h>

#include <lua.h>

/* Where they lie. */
const char *reef_own_directory(void);
/* The path of our file `relative` ("skynet/queue.lua"), which stays; NULL if we have none of that name. */
const char *reef_own_file(const char *relative);
/* The path, below the directory, of our file that was probably meant; NULL: none is like that. */
const char *reef_own_meant(const char *relative);
/* Does a chunk of that name, with or without its @, come from there? */
bool reef_own_source(const char *source);
/* As luaL_where(L, 1), but pushes the line of the user's code that is behind it also through functions of C, and nothing if
 * there is none. */
void reef_own_where_user(lua_State *L);

#endif
