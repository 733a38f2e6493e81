/* Samples by allocated bytes: a VM's allocator with a count around it, for as long as somebody wants to know. Own slice. */
#ifndef REEF_PROFILE_ALLOCATIONS_H
#define REEF_PROFILE_ALLOCATIONS_H

#include <lua.h>

/* For Lua: watch(every): a sample of this service for each so many bytes that it allocates; again it only changes that
 * number. It ends by itself at a sample that nobody wants. */
int reef_lua_allocations_watch(lua_State *L);
/* For Lua: unwatch(): if nobody wants samples of this service any more, its allocator is as before. */
int reef_lua_allocations_unwatch(lua_State *L);

#endif
