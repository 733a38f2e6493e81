/* gzip, by zlib: see gzip.h. */
#include "gzip.h"

#include <lauxlib.h>

#ifdef REEF_ZLIB
#include <zlib.h>

#define WITH_GZIP_HEADER (MAX_WBITS + 16)

int reef_lua_gzip(lua_State *L) {
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);
	z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n};
	luaL_argcheck(L, n <= UINT32_MAX / 2, 1, "too large");
	/* The buffer is Lua's, so that an error leaves nothing behind; zlib's own memory is freed before anything can fail. */
	size_t room = compressBound((uLong)n) + 64;
	luaL_Buffer buffer;
	z.next_out = (Bytef *)luaL_buffinitsize(L, &buffer, room);
	z.avail_out = (uInt)room;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WITH_GZIP_HEADER, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return luaL_error(L, "not enough memory");
	int status = deflate(&z, Z_FINISH);
	size_t size = z.total_out;
	deflateEnd(&z);
	if (status != Z_STREAM_END)
		return luaL_error(L, "gzip: %d", status);
	luaL_pushresultsize(&buffer, size);
	return 1;
}
#else
int reef_lua_gzip(lua_State *L) {
	(void)L;
	return 0;
}
#endif
