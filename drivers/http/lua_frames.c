/* `reef.http.frames`: one end of a WebSocket connection as a Lua value. */
#include <lauxlib.h>
#include <limits.h>

#include "core/alloc.h"
#include "drivers/http/frames.h"
#include "drivers/http/lua_frames.h"

#define FRAMES "reef.http.frames"
#define KEPT ((size_t)64 * 1024) /* bytes of a buffer that wait for the next message */

/* Upvalue 1 of all methods is the metatable, which is found faster than by its name. */
static struct reef_frames *lua_frames_check(lua_State *L) {
	struct reef_frames *f = lua_touserdata(L, 1);
	if (f == NULL || !lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(1)))
		f = luaL_checkudata(L, 1, FRAMES);
	else
		lua_pop(L, 1);
	if (f->context == NULL)
		luaL_error(L, "websocket: this connection is over");
	return f;
}

static int int_field(lua_State *L, int index, const char *name, int low, int high) {
	lua_getfield(L, index, name);
	lua_Integer n = luaL_checkinteger(L, -1);
	if (n < low || n > high)
		luaL_error(L, "websocket: %s is out of range", name);
	lua_pop(L, 1);
	return (int)n;
}

static bool bool_field(lua_State *L, int index, const char *name) {
	lua_getfield(L, index, name);
	bool value = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

/* (server, most bytes of a message, {send_bits, receive_bits, send_fresh, receive_fresh, level, smallest} or nil) -> frames */
static int lua_frames_new(lua_State *L) {
	lua_Integer most = luaL_checkinteger(L, 2);
	luaL_argcheck(L, most >= 0, 2, "negative");
	struct reef_deflate_options deflate = {0};
	bool packed = lua_istable(L, 3);
	if (packed) {
		deflate.send_bits = int_field(L, 3, "send_bits", 8, 15);
		deflate.receive_bits = int_field(L, 3, "receive_bits", 8, 15);
		deflate.send_fresh = bool_field(L, 3, "send_fresh");
		deflate.receive_fresh = bool_field(L, 3, "receive_fresh");
		deflate.level = int_field(L, 3, "level", 1, 9);
		deflate.smallest = (size_t)int_field(L, 3, "smallest", 0, INT_MAX);
	}
	struct reef_frames *f = lua_newuserdatauv(L, sizeof *f, 0);
	if (!reef_frames_init(f, lua_toboolean(L, 1), (size_t)most, packed ? &deflate : NULL)) {
		reef_frames_fini(f);
		return luaL_error(L, "websocket: out of memory");
	}
	luaL_setmetatable(L, FRAMES);
	return 1;
}

static int lua_frames_gc(lua_State *L) {
	reef_frames_fini(luaL_checkudata(L, 1, FRAMES));
	return 0;
}

/* Bytes for the peer; nil: none. */
static void push_output(lua_State *L, struct reef_frames *f) {
	if (f->out_size == 0) {
		lua_pushnil(L);
		return;
	}
	lua_pushlstring(L, f->out, f->out_size);
	f->out_size = 0;
	if (f->out_room > KEPT) {
		reef_free(f->out);
		f->out = NULL;
		f->out_room = 0;
	}
}

/* Opcode, bytes, code of a close, whether there is another; nothing if no message waits. */
static int push_message(lua_State *L, struct reef_frames *f) {
	struct reef_frames_message *m = f->first;
	if (m == NULL)
		return 0;
	lua_pushinteger(L, m->opcode);
	lua_pushlstring(L, m->bytes, m->size);
	lua_pushinteger(L, m->code);
	reef_free(reef_frames_take(f));
	lua_pushboolean(L, f->first != NULL);
	return 4;
}

/* frames:feed(bytes) -> false if the peer broke the rules, bytes for the peer or nil, and what frames:take says */
static int lua_frames_feed(lua_State *L) {
	struct reef_frames *f = lua_frames_check(L);
	size_t n;
	const char *bytes = luaL_checklstring(L, 2, &n);
	lua_pushboolean(L, reef_frames_feed(f, bytes, n));
	push_output(L, f);
	return 2 + push_message(L, f);
}

/* frames:take() -> opcode, bytes, code of a close, whether there is another; nothing if no message waits */
static int l_take(lua_State *L) {
	return push_message(L, lua_frames_check(L));
}

/* frames:send(opcode, bytes [, mask]) -> bytes for the peer; nil: it may not be sent */
static int l_send(lua_State *L) {
	struct reef_frames *f = lua_frames_check(L);
	lua_Integer opcode = luaL_checkinteger(L, 2);
	size_t n;
	const char *bytes = luaL_checklstring(L, 3, &n);
	uint8_t mask[4];
	bool masked = !lua_isnoneornil(L, 4);
	if (masked) {
		lua_Integer key = luaL_checkinteger(L, 4);
		for (int i = 0; i < 4; i++)
			mask[i] = (uint8_t)(key >> (24 - 8 * i));
	}
	luaL_argcheck(L, opcode >= 1 && opcode <= 15, 2, "out of range");
	if (!reef_frames_send(f, (uint8_t)opcode, bytes, n, masked ? mask : NULL))
		return 0;
	push_output(L, f);
	return 1;
}

/* frames:close(code or 0, reason) -> bytes for the peer; nil: it may not be sent */
static int l_close(lua_State *L) {
	struct reef_frames *f = lua_frames_check(L);
	lua_Integer code = luaL_checkinteger(L, 2);
	luaL_argcheck(L, code >= 0 && code < 5000, 2, "out of range");
	size_t n;
	const char *reason = luaL_checklstring(L, 3, &n);
	luaL_argcheck(L, n <= 123, 3, "longer than 123 bytes");
	if (!reef_frames_close(f, (uint16_t)code, reason, n))
		return 0;
	push_output(L, f);
	return 1;
}

int reef_open_http_frames(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"feed", lua_frames_feed}, {"take", l_take}, {"send", l_send}, {"close", l_close}, {NULL, NULL},
	};
	luaL_newmetatable(L, FRAMES);
	luaL_newlibtable(L, methods);
	lua_pushvalue(L, -2);
	luaL_setfuncs(L, methods, 1);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "__index");
	lua_pushcfunction(L, lua_frames_gc);
	lua_setfield(L, -3, "__gc");
	/* The module is the table of the methods, and what makes one. */
	lua_pushcfunction(L, lua_frames_new);
	lua_setfield(L, -2, "new");
	return 1;
}
