/* CPU time of coroutines that asked for it. The host calls these only while `profiled` is not 0. */
#ifndef REEF_PROFILE_H
#define REEF_PROFILE_H

#include <lua.h>

struct reef_host;

void reef_profile_resumed(struct reef_host *host, lua_State *co);
void reef_profile_suspended(struct reef_host *host, lua_State *co);

/* ---- functions for Lua ---- */
int reef_profile_start(lua_State *L);
int reef_profile_stop(lua_State *L);

#endif
