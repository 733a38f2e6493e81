/* Functions for Lua that say what packs, unpacks and handles a type of messages. */
#ifndef REEF_LUA_PROTOCOL_H
#define REEF_LUA_PROTOCOL_H

#include <lua.h>

int reef_lua_protocol_register(lua_State *L);
int reef_lua_protocol_dispatch(lua_State *L);
int reef_lua_protocol_unknown_request(lua_State *L);
int reef_lua_protocol_unknown_response(lua_State *L);
int reef_lua_protocol_message(lua_State *L);
int reef_lua_protocol_callback(lua_State *L);
int reef_lua_protocol_get(lua_State *L);

#endif
