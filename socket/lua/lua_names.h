/* Names for coroutines: functions of several modules. */
#ifndef REEF_SOCKET_LUA_LUA_NAMES_H
#define REEF_SOCKET_LUA_LUA_NAMES_H

#include <lua.h>

/* (host) -> array of addresses; raises. Yields in a coroutine of the dispatcher. */
int reef_lua_names_resolve(lua_State *L);
/* (name, ipv6, servers or nil, path of a resolv.conf or nil) -> array of addresses, seconds that it is good for; or nil
 * and why not. Asks name servers only; servers are "ip:port,[v6]:port". Yields. */
int reef_lua_names_lookup(lua_State *L);
/* (name, servers or nil, path of a resolv.conf or nil) -> text, seconds that it is good for; or nil and why not. What SRV
 * (RFC 2782) says: a line `priority weight port target` for each record. Asks name servers only. Yields. */
int reef_lua_names_services(lua_State *L);

#endif
