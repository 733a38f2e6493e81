/* See setup.h. What was built without a library says so when it is required. */
#include "setup.h"

#include <lauxlib.h>

#include "core/host/host.h"
#include "lua_frames.h"
#include "lua_http.h"

#ifndef REEF_HTTP
int reef_open_http_core(lua_State *L) {
	return luaL_error(L, "built without HTTP: llhttp (Debian: libllhttp-dev) was missing");
}
#endif

#ifndef REEF_WEBSOCKET
int reef_open_http_frames(lua_State *L) {
	return luaL_error(L, "built without WebSocket: wslay or zlib (Debian: libwslay-dev, zlib1g-dev) was missing");
}
#endif

void reef_http_setup(void) {
	reef_host_preload("reef.http.core", reef_open_http_core);
	reef_host_preload("reef.http.frames", reef_open_http_frames);
}
