/* The Lua module reef.tls.core, and its targets for whatever opens a socket. */
#ifndef REEF_SOCKET_LUA_LUA_TLS_H
#define REEF_SOCKET_LUA_LUA_TLS_H

#include <lua.h>

/* What `reef.tls.core` calls a target, at `index`; NULL: none there. It lives as long as the value. */
struct reef_tls_target;
const struct reef_tls_target *reef_lua_tls_target(lua_State *L, int index);

int reef_lua_tls_open(lua_State *L);

#endif
