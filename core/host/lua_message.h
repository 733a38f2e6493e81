/* Functions for Lua that send messages, and those between values and bytes. */
#ifndef REEF_LUA_MESSAGE_H
#define REEF_LUA_MESSAGE_H

#include <lua.h>

int reef_lua_message_send(lua_State *L);
int reef_lua_message_rawsend(lua_State *L);
int reef_lua_message_redirect(lua_State *L);
int reef_lua_message_pack(lua_State *L);
int reef_lua_message_packstring(lua_State *L);
int reef_lua_message_unpack(lua_State *L);
int reef_lua_message_tostring(lua_State *L);
int reef_lua_message_trash(lua_State *L);

#endif
