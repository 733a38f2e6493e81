/* Functions for Lua that tell about the service itself, the process and time. */
#ifndef REEF_LUA_INFO_H
#define REEF_LUA_INFO_H

#include <lua.h>

int reef_lua_info_now(lua_State *L);
int reef_lua_info_starttime(lua_State *L);
int reef_lua_info_time(lua_State *L);
int reef_lua_info_hpc(lua_State *L);
int reef_lua_info_self(lua_State *L);
int reef_lua_info_localname(lua_State *L);
int reef_lua_info_address(lua_State *L);
int reef_lua_info_harbor(lua_State *L);
int reef_lua_info_getenv(lua_State *L);
int reef_lua_info_setenv(lua_State *L);
int reef_lua_info_stat(lua_State *L);
int reef_lua_info_mqlen(lua_State *L);
int reef_lua_info_endless(lua_State *L);
int reef_lua_info_genid(lua_State *L);
int reef_lua_info_turnsto(lua_State *L);
int reef_lua_info_term(lua_State *L);
int reef_lua_info_exit(lua_State *L);
int reef_lua_info_memlimit(lua_State *L);
int reef_lua_info_command(lua_State *L);
int reef_lua_info_intcommand(lua_State *L);
int reef_lua_info_addresscommand(lua_State *L);

/* The module `reef.base.now`: a function that answers the time for deadlines, in seconds of a clock that only goes
 * forward. */
int reef_lua_info_open_now(lua_State *L);

#endif
