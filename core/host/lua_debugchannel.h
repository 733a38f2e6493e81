/* The Lua module `skynet.debugchannel`: lines of text from one service to another that may be stopped in the middle of
 * a message, where it can receive nothing else. Any service. */
#ifndef REEF_LUA_DEBUGCHANNEL_H
#define REEF_LUA_DEBUGCHANNEL_H

#include <lua.h>

int reef_open_debugchannel(lua_State *L);

#endif
