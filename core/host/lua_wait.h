/* Functions for Lua that make coroutines, suspend them and wake them. */
#ifndef REEF_LUA_WAIT_H
#define REEF_LUA_WAIT_H

#include <lua.h>

int reef_lua_wait_fork(lua_State *L);
int reef_lua_wait_timeout(lua_State *L);
int reef_lua_wait_sleep(lua_State *L);
int reef_lua_wait_yield(lua_State *L);
int reef_lua_wait_wait(lua_State *L);
int reef_lua_wait_wakeup(lua_State *L);
int reef_lua_wait_killthread(lua_State *L);
int reef_lua_wait_tasks(lua_State *L);
int reef_lua_wait_taskcount(lua_State *L);
int reef_lua_wait_blocked(lua_State *L);
int reef_lua_wait_task(lua_State *L);

#endif
