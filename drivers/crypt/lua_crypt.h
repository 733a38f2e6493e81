/* The Lua module `skynet.crypt`, also called `client.crypt`. */
#ifndef REEF_CRYPT_LUA_CRYPT_H
#define REEF_CRYPT_LUA_CRYPT_H

#include <lua.h>

int reef_lua_crypt_open(lua_State *L);

#endif
