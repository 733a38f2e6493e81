/* The Lua module reef.gate.core: what gates need beside skynet.netpack. */
#ifndef REEF_SOCKET_LUA_LUA_GATE_H
#define REEF_SOCKET_LUA_LUA_GATE_H

#include <lua.h>

int reef_lua_gate_open(lua_State *L);

#endif
