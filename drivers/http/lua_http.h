/* The Lua modules of this driver: `reef.http.core` and `reef.http.frames`. */
#ifndef REEF_HTTP_LUA_HTTP_H
#define REEF_HTTP_LUA_HTTP_H

#include <lua.h>

/* Makes both known to the Lua host. Once, at start-up. */
void reef_http_setup(void);

int reef_open_http_core(lua_State *L);
int reef_open_http_frames(lua_State *L);

#endif
