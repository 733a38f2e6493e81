/* The Lua module `md5`. */
#ifndef REEF_CRYPT_LUA_MD5_H
#define REEF_CRYPT_LUA_MD5_H

#include <lua.h>

int reef_lua_md5_open(lua_State *L);

#endif
