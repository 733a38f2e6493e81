/* What the Lua modules of this room share: arguments and results that look the same everywhere. */
#ifndef REEF_SOCKET_LUA_COMMON_H
#define REEF_SOCKET_LUA_COMMON_H

#include <lauxlib.h>
#include <lua.h>

#include "socket/socket.h"

/* (id, data [, size]): a string, a number, an array of both, a full userdata (copied) or a light one with its size (a
 * block that is handed over). Returns whether it was accepted. */
int reef_lua_write(lua_State *L, enum reef_priority priority);

/* Bytes to be copied: a string, or a userdata and its size at index + 1. A light userdata is freed by *release. */
const char *reef_lua_bytes(lua_State *L, int index, size_t *n, void **release);

/* A host or address at `index`; raises unless it is a string without zero bytes, behind which C would not look. */
const char *reef_lua_host(lua_State *L, int index);

/* A port at `index`: -1 if it is absent. */
int reef_lua_port(lua_State *L, int index);

/* () -> array of tables, as `netstat`. */
int reef_lua_info(lua_State *L);
/* (string of 1 to 4 bytes) -> big-endian number. */
int reef_lua_header(lua_State *L);
/* (address of a datagram) -> ip, port. */
int reef_lua_udp_address(lua_State *L);
/* (id, address, data [, size]) -> accepted. */
int reef_lua_udp_send(lua_State *L);
/* (host) -> array of addresses; raises. Yields in a coroutine of the dispatcher. */
int reef_lua_resolve(lua_State *L);
/* (name, ipv6, servers or nil, path of a resolv.conf or nil) -> array of addresses, seconds that it is good for; or nil
 * and why not. Asks name servers only; servers are "ip:port,[v6]:port". Yields. */
int reef_lua_lookup(lua_State *L);

/* What `reef.tls.core` calls a target, at `index`; NULL: none there. It lives as long as the value. */
struct reef_tls_target;
const struct reef_tls_target *reef_lua_tls_target(lua_State *L, int index);

int reef_open_socketcore(lua_State *L);
int reef_open_socketdriver(lua_State *L);
int reef_open_netpack(lua_State *L);
int reef_open_tlscore(lua_State *L);
int reef_open_fdcore(lua_State *L);

#endif
