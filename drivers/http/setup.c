#include "core/host/host.h"
#include "drivers/http/lua_http.h"

#include <lauxlib.h>

#ifndef REEF_HTTP
int reef_open_http_core(lua_State *L) {
	return luaL_error(L, "built without HTTP: llhttp (Debian: libllhttp-dev) was missing");
}
#endif

#ifndef REEF_WEBSOCKET
int reef_open_http_frames(lua_State *L) {
	return luaL_error(L, "built without WebSocket: wslay (Debian: libwslay-dev) was missing");
}
#endif

void reef_http_setup(void) {
	reef_host_preload("reef.http.core", reef_open_http_core);
	reef_host_preload("reef.http.frames", reef_open_http_frames);
}
