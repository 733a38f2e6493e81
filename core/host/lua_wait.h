/* Functions for Lua that make coroutines, suspend them and wake them. */
#ifndef REEF_LUA_WAIT_H
#define REEF_LUA_WAIT_H

#include <lua.h>

struct reef_host;

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

/* Makes the first `count` functions that the host keeps for sessions run at once: it has no sessions yet. Own slice only. */
void reef_lua_wait_begin(struct reef_host *host, int count);

#endif
