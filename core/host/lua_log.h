/* The log for Lua: `skynet.error`, and the module `reef.log` (lua_log.c). */
#ifndef REEF_HOST_LUA_LOG_H
#define REEF_HOST_LUA_LOG_H

#include <lua.h>

#include "core/log_level.h"

/* A line whose level is what its text says: skynet.error(...). */
int reef_lua_log_info(lua_State *L);
/* `failed` of skynet.core: what was logged last is an error that nobody has caught. */
int reef_lua_log_failed(lua_State *L);
int reef_open_log(lua_State *L);
/* The level whose name is at `index`; raises. */
enum reef_log_level reef_lua_log_level(lua_State *L, int index);

#endif
