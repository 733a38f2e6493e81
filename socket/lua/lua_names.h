/* Names for coroutines: functions of several modules. */
#ifndef REEF_SOCKET_LUA_LUA_NAMES_H
#define REEF_SOCKET_LUA_LUA_NAMES_H

#include <lua.h>

/* (host) -> array of addresses; raises. Yields in a coroutine of the dispatcher. */
int reef_lua_names_resolve(lua_State *L);
/* (name, ipv6, servers or nil, path of a resolv.conf or nil) -> array of addresses, seconds that it is good for; or nil
 * and why not. Asks name servers only; servers are "ip:port,[v6]:port". Yields. */
int reef_lua_names_lookup(lua_State *L);
/* (name, "SRV" or "TXT", servers or nil) -> array of { target =, port = } or of texts, empty if the name has none, and
 * 0, since nobody says for how long; or nil and why nobody knows. Yields. */
int reef_lua_names_records(lua_State *L);
/* Start-up. */
void reef_lua_names_setup(void);

#endif
