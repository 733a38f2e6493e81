/* The Lua module `reef.http.frames`. */
#ifndef REEF_HTTP_LUA_FRAMES_H
#define REEF_HTTP_LUA_FRAMES_H

#include <lua.h>

int reef_open_http_frames(lua_State *L);

#endif
