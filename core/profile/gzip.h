/* gzip (RFC 1952), for files that are. */
#ifndef REEF_PROFILE_GZIP_H
#define REEF_PROFILE_GZIP_H

#include <lua.h>

/* For Lua: gzip(bytes) -> them in a gzip file; nil where the build has no zlib. */
int reef_lua_gzip(lua_State *L);

#endif
