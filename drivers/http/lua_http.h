/* The Lua module `reef.http.core`. */
#ifndef REEF_HTTP_LUA_HTTP_H
#define REEF_HTTP_LUA_HTTP_H

#include <lua.h>

int reef_open_http_core(lua_State *L);

#endif
