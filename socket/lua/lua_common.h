/* What the Lua modules of this room share: arguments and results that look the same everywhere. */
#ifndef REEF_SOCKET_LUA_LUA_COMMON_H
#define REEF_SOCKET_LUA_LUA_COMMON_H

#include <lauxlib.h>
#include <lua.h>

#include "socket/socket.h"

/* (id, data [, size]): a string, a number, an array of both, a full userdata (copied) or a light one with its size (a
 * block that is handed over). Returns whether it was accepted. */
int reef_lua_common_write(lua_State *L, enum reef_priority priority);

/* Bytes to be copied: a string, or a userdata and its size at index + 1. A light userdata is freed by *release. */
const char *reef_lua_common_bytes(lua_State *L, int index, size_t *n, void **release);

/* A host or address at `index`; raises unless it is a string without zero bytes, behind which C would not look. */
const char *reef_lua_common_host(lua_State *L, int index);

/* A port at `index`: -1 if it is absent. */
int reef_lua_common_port(lua_State *L, int index);

/* () -> array of tables, as `netstat`. */
int reef_lua_common_info(lua_State *L);
/* (string of 1 to 4 bytes) -> big-endian number. */
int reef_lua_common_header(lua_State *L);
/* (address of a datagram) -> ip, port. */
int reef_lua_common_udp_address(lua_State *L);
/* (id, address, data [, size]) -> accepted. */
int reef_lua_common_udp_send(lua_State *L);

#endif
