/* The place that an error names. Where the function that raises is the library's, that is the line of the user's code that
 * has called it: a wrong argument is often felt deep inside, where a line tells nobody anything. Lua's own functions ask
 * here when they write a place in front of a message (ov_ldebug.c, ov_lauxlib.c), so it costs nothing before. The VM's
 * thread only. */
#ifndef REEF_SHARETABLE_BLAME_H
#define REEF_SHARETABLE_BLAME_H

#include <stdbool.h>

#include <lua.h>

struct reef_blame {
	char file[LUA_IDSIZE];
	int line;
	const char *name; /* by which the user has called the library's function; NULL: it had none */
	bool no_object;   /* that is a method, and its `self` is no object */
};

/* Are a chunk and its functions the library's? Until it is set, before the first VM, nothing is. */
extern bool (*reef_blame_is_own)(const char *source);

/* False: what raises is not the library's, or no user's function has called it. */
bool reef_blame(lua_State *L, struct reef_blame *blame);
/* Pushes a message with that place in front. */
const char *reef_blame_push(lua_State *L, const struct reef_blame *blame, const char *message);

#endif
