/* Functions for Lua that answer the request of the running coroutine. */
#ifndef REEF_LUA_ANSWER_H
#define REEF_LUA_ANSWER_H

#include <lua.h>

int reef_lua_answer_ret(lua_State *L);
int reef_lua_answer_retpack(lua_State *L);
int reef_lua_answer_ignoreret(lua_State *L);
int reef_lua_answer_context(lua_State *L);

#endif
