/* `reef.http.frames`: one end of a WebSocket connection as a Lua value. It reads from its socket and writes to it, so no string
 * is made but of messages. */
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "core/alloc.h"
#include "drivers/http/frames.h"
#include "drivers/http/lua_frames.h"
#include "drivers/http/lua_handle.h"
#include "socket/lua/readers.h"

#define FRAMES "reef.http.frames"
#define KEPT ((size_t)64 * 1024) /* bytes of a buffer that wait for the next message */

struct end {
	struct reef_frames frames;
	struct reef_taker taker;
	int id;
	bool heard;  /* something has come since somebody asked */
	bool broken; /* the peer broke the rules */
};

static struct end *lua_frames_check(lua_State *L) {
	struct end *e = reef_lua_handle(L, FRAMES);
	if (e->frames.context == NULL)
		luaL_error(L, "websocket: this connection is over");
	return e;
}

/* ---- reading ---- */

/* Sends what the other side has to get. False: the socket does not take it. */
static bool frames_write(struct end *e) {
	struct reef_frames *f = &e->frames;
	if (f->out_size == 0)
		return true;
	bool ok = reef_socket_write(e->id, f->out, f->out_size, REEF_NORMAL);
	f->out_size = 0;
	if (f->out_room > KEPT) {
		reef_free(f->out);
		f->out = NULL;
		f->out_room = 0;
	}
	return ok;
}

static void frames_feed(struct end *e, const char *bytes, size_t n) {
	e->heard = true;
	e->broken = e->frames.context == NULL || !reef_frames_feed(&e->frames, bytes, n);
	(void)frames_write(e);
}

static struct end *end_of(struct reef_taker *taker) {
	return (struct end *)(void *)((char *)taker - offsetof(struct end, taker));
}

static size_t frames_take(struct reef_taker *taker, const char *bytes, size_t n, bool *enough) {
	struct end *e = end_of(taker);
	frames_feed(e, bytes, n);
	*enough = e->broken || e->frames.first;
	return n;
}

/* What waits; else nil if there will be nothing, false if the peer broke the rules. */
static int frames_give(struct reef_taker *taker, lua_State *L, bool over) {
	struct end *e = end_of(taker);
	struct reef_frames_message *m = e->frames.first;
	(void)over;
	if (m == NULL) {
		if (e->broken)
			lua_pushboolean(L, 0);
		else
			lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, m->opcode);
	lua_pushlstring(L, m->bytes, m->size);
	lua_pushinteger(L, m->code);
	reef_free(reef_frames_take(&e->frames));
	return 3;
}

/* frames:receive() waits for the next message -> opcode, bytes, code of a close; nil at the end of the stream; false if the
 * peer broke the rules, after all that came before */
static int l_receive(lua_State *L) {
	struct end *e = lua_frames_check(L);
	if (e->frames.first || e->broken)
		return frames_give(&e->taker, L, false);
	return reef_reader_take(L, lua_upvalueindex(REEF_HTTP_READERS), e->id, &e->taker);
}

/* frames:feed(bytes): they have been read by somebody else */
static int lua_frames_feed(lua_State *L) {
	struct end *e = lua_frames_check(L);
	size_t n;
	const char *bytes = luaL_checklstring(L, 2, &n);
	if (!e->broken)
		frames_feed(e, bytes, n);
	return 0;
}

/* frames:heard() -> whether something has come since the last time */
static int l_heard(lua_State *L) {
	struct end *e = lua_frames_check(L);
	lua_pushboolean(L, e->heard);
	e->heard = false;
	return 1;
}

/* ---- ---- */

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

/* (socket, server, most bytes of a message, {send_bits, receive_bits, send_fresh, receive_fresh, level, smallest} or nil) -> frames */
static int lua_frames_new(lua_State *L) {
	int id = (int)luaL_checkinteger(L, 1);
	lua_Integer most = luaL_checkinteger(L, 3);
	luaL_argcheck(L, most >= 0, 3, "negative");
	struct reef_deflate_options deflate = {0};
	bool packed = lua_istable(L, 4);
	if (packed) {
		deflate.send_bits = int_field(L, 4, "send_bits", 8, 15);
		deflate.receive_bits = int_field(L, 4, "receive_bits", 8, 15);
		deflate.send_fresh = bool_field(L, 4, "send_fresh");
		deflate.receive_fresh = bool_field(L, 4, "receive_fresh");
		deflate.level = int_field(L, 4, "level", 1, 9);
		deflate.smallest = (size_t)int_field(L, 4, "smallest", 0, INT_MAX);
	}
	struct end *e = lua_newuserdatauv(L, sizeof *e, 0);
	memset(e, 0, sizeof *e);
	e->id = id;
	e->taker = (struct reef_taker){.take = frames_take, .give = frames_give};
	if (!reef_frames_init(&e->frames, lua_toboolean(L, 2), (size_t)most, packed ? &deflate : NULL)) {
		reef_frames_fini(&e->frames);
		return luaL_error(L, "websocket: out of memory");
	}
	luaL_setmetatable(L, FRAMES);
	return 1;
}

static int lua_frames_gc(lua_State *L) {
	struct end *e = luaL_checkudata(L, 1, FRAMES);
	reef_frames_fini(&e->frames);
	return 0;
}

/* frames:send(opcode, bytes [, mask]) -> whether it goes out */
static int l_send(lua_State *L) {
	struct end *e = lua_frames_check(L);
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
	lua_pushboolean(L,
					reef_frames_send(&e->frames, (uint8_t)opcode, bytes, n, masked ? mask : NULL) && frames_write(e));
	return 1;
}

/* frames:close(code or 0, reason) -> whether it goes out */
static int l_close(lua_State *L) {
	struct end *e = lua_frames_check(L);
	lua_Integer code = luaL_checkinteger(L, 2);
	luaL_argcheck(L, code >= 0 && code < 5000, 2, "out of range");
	size_t n;
	const char *reason = luaL_checklstring(L, 3, &n);
	luaL_argcheck(L, n <= 123, 3, "longer than 123 bytes");
	lua_pushboolean(L, reef_frames_close(&e->frames, (uint16_t)code, reason, n) && frames_write(e));
	return 1;
}

int reef_open_http_frames(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"receive", l_receive}, {"feed", lua_frames_feed}, {"heard", l_heard},
			{"send", l_send},       {"close", l_close},        {NULL, NULL},
	};
	/* The module is the table of the methods, and what makes one. */
	reef_lua_handle_methods(L, FRAMES, methods, sizeof methods / sizeof *methods, lua_frames_gc);
	lua_pushcfunction(L, lua_frames_new);
	lua_setfield(L, -2, "new");
	return 1;
}
