/* The standard libraries for new VMs, copied from a template. */
#ifndef REEF_SHARETABLE_LIBRARIES_H
#define REEF_SHARETABLE_LIBRARIES_H

#include <lua.h>

/* Makes the template; start-up only, after reef_share_library_names. Without memory there is none, and the next function
 * is luaL_openlibs. */
void reef_libraries_setup(void);
/* As luaL_openlibs, for a VM that has none of the libraries yet. May raise a memory error. Any thread. */
void reef_libraries_open(lua_State *L);

#endif
