/* Between the bytes of messages and values on a Lua stack, by the codec of a protocol. Own slice only. */
#include "payload.h"

#include <string.h>

#include <lauxlib.h>

#include "host_private.h"
#include "pack.h"
#include "protocol.h"
#include "unpack.h"

struct reef_message *reef_payload_check(lua_State *L, int index) {
	size_t size;
	switch (lua_type(L, index)) {
	case LUA_TNONE:
	case LUA_TNIL:
		return reef_message_wrap(NULL, 0);
	case LUA_TSTRING: {
		const char *s = lua_tolstring(L, index, &size);
		struct reef_message *m = reef_message_try_new(size);
		if (m == NULL)
			luaL_error(L, "not enough memory for a message of %I bytes", (LUAI_UACINT)size);
		memcpy(m->data, s, size);
		return m;
	}
	case LUA_TLIGHTUSERDATA: {
		void *data = lua_touserdata(L, index);
		lua_Integer n = luaL_checkinteger(L, index + 1);
		luaL_argcheck(L, n >= 0, index + 1, "negative size");
		luaL_argcheck(L, n == 0 || data, index, "no bytes");
		return reef_message_wrap(data, (size_t)n);
	}
	default:
		luaL_error(L, "a message must be a string or a light userdata with its size, not a %s",
				   luaL_typename(L, index));
		return NULL;
	}
}

inline struct reef_message *reef_payload_pack(lua_State *L, const struct reef_protocol *protocol, int first) {
	switch (protocol->packs) {
	case CODEC_LUA:
		return reef_pack_message(L, first);
	case CODEC_USER:
		lua_rawgeti(L, LUA_REGISTRYINDEX, protocol->pack);
		lua_insert(L, first);
		lua_call(L, lua_gettop(L) - first, 2);
		return reef_payload_check(L, first);
	default:
		luaL_error(L, "protocol '%s' has no pack function", protocol->name);
		return NULL;
	}
}

enum { LARGE = 64 * 1024 }; /* bytes of a payload whose values may well find no memory */

/* Arguments: codec, message. */
static int payload_decode(lua_State *L) {
	int codec = (int)lua_tointeger(L, 1);
	const struct reef_message *m = lua_touserdata(L, 2);
	lua_settop(L, 0);
	if (codec == CODEC_STRING)
		lua_pushlstring(L, m->data, m->size);
	else if (reef_unpack(L, m->data, m->size) < 0)
		return lua_error(L);
	return lua_gettop(L);
}

/* What reef_payload_push does, for what is large: on the main thread, where it can be protected. */
static int push_large(struct reef_host *host, lua_State *to, int codec, struct reef_message *m) {
	lua_State *L = host->L;
	int top = lua_gettop(L);
	lua_pushcfunction(L, payload_decode);
	lua_pushinteger(L, codec);
	lua_pushlightuserdata(L, m);
	int status = lua_pcall(L, 2, LUA_MULTRET, 0);
	int n = lua_gettop(L) - top;
	if (status == LUA_OK && !lua_checkstack(to, n + LUA_MINSTACK)) {
		lua_settop(L, top);
		lua_pushliteral(L, "not enough memory");
		status = LUA_ERRMEM;
		n = 1;
	}
	lua_xmove(L, to, n);
	return status == LUA_OK ? n : -1;
}

inline int reef_payload_push(lua_State *L, int codec, const struct reef_message *m) {
	if (m->size > LARGE && (codec == CODEC_LUA || codec == CODEC_STRING))
		return push_large(reef_host_get(L), L, codec, (struct reef_message *)m);
	switch (codec) {
	case CODEC_LUA:
		return reef_unpack(L, m->data, m->size);
	case CODEC_STRING:
		lua_pushlstring(L, m->data, m->size);
		return 1;
	default:
		lua_pushlightuserdata(L, m->data);
		lua_pushinteger(L, (lua_Integer)m->size);
		return 2;
	}
}
