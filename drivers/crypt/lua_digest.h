/* The Lua module `reef.digest`. */
#ifndef REEF_CRYPT_LUA_DIGEST_H
#define REEF_CRYPT_LUA_DIGEST_H

#include <lua.h>

int reef_lua_digest_open(lua_State *L);

#endif
