/* See lua_blocks.h. */
#include "lua_blocks.h"

#include "blocks.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "lua_common.h"

#define INBOX "reef.blocks.inbox"
#define CS_NS UINT64_C(10000000)
#define MOST_IDS 1024 /* of one answer */

static struct reef_blocks *check_inbox(lua_State *L) {
	struct reef_blocks **inbox = luaL_checkudata(L, 1, INBOX);
	luaL_argcheck(L, *inbox != NULL, 1, "this inbox was collected");
	return *inbox;
}

static int inbox_collect(lua_State *L) {
	struct reef_blocks **inbox = luaL_checkudata(L, 1, INBOX);
	if (*inbox)
		reef_blocks_delete(*inbox);
	*inbox = NULL;
	return 0;
}

/* (inbox, stream, block, size) -> block, size | nothing: more of it is to come | nil, reason. Takes the block. */
static int inbox_add(lua_State *L) {
	struct reef_blocks *inbox = check_inbox(L);
	int stream = (int)luaL_checkinteger(L, 2);
	luaL_checktype(L, 3, LUA_TLIGHTUSERDATA);
	lua_Integer n = luaL_checkinteger(L, 4);
	luaL_argcheck(L, n >= 0, 4, "negative size");
	luaL_argcheck(L, n == 0 || lua_touserdata(L, 3), 3, "no bytes");
	void *whole;
	size_t size;
	const char *error;
	switch (reef_blocks_add(inbox, stream, lua_touserdata(L, 3), (size_t)n, &whole, &size, &error)) {
	case REEF_BLOCKS_WHOLE:
		lua_pushlightuserdata(L, whole);
		lua_pushinteger(L, (lua_Integer)size);
		return 2;
	case REEF_BLOCKS_WRONG:
		lua_pushnil(L);
		lua_pushstring(L, error);
		return 2;
	default:
		return 0;
	}
}

/* (inbox, stream) */
static int inbox_forget(lua_State *L) {
	reef_blocks_forget(check_inbox(L), (int)luaL_checkinteger(L, 2));
	return 0;
}

/* (inbox, age in 1/100 s) -> array of streams that have had unfinished blocks for longer: not all, if they are many */
static int inbox_unfinished(lua_State *L) {
	const struct reef_blocks *inbox = check_inbox(L);
	lua_Integer age = luaL_checkinteger(L, 2);
	int ids[MOST_IDS];
	size_t count = reef_blocks_unfinished(inbox, reef_coarse_ns() - (uint64_t)age * CS_NS, ids, MOST_IDS);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushinteger(L, ids[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* (most, together, open) -> inbox */
static int blocks_inbox(lua_State *L) {
	struct reef_blocks_limits limits = {.most = (size_t)luaL_checkinteger(L, 1),
										.together = (size_t)luaL_checkinteger(L, 2),
										.open = (size_t)luaL_checkinteger(L, 3)};
	struct reef_blocks **inbox = lua_newuserdatauv(L, sizeof *inbox, 0);
	*inbox = NULL;
	luaL_setmetatable(L, INBOX);
	*inbox = reef_blocks_new(&limits);
	return 1;
}

/* (socket, data [, size]) -> accepted */
static int blocks_send(lua_State *L) {
	int socket = (int)luaL_checkinteger(L, 1);
	size_t n;
	void *block;
	const char *bytes = reef_lua_common_bytes(L, 2, &n, &block);
	lua_pushboolean(L, reef_blocks_send(socket, bytes, n));
	reef_free(block);
	return 1;
}

int reef_lua_blocks_open(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"add", inbox_add},
			{"forget", inbox_forget},
			{"unfinished", inbox_unfinished},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {
			{"inbox", blocks_inbox},
			{"send", blocks_send},
			{NULL, NULL},
	};
	luaL_newmetatable(L, INBOX);
	lua_pushcfunction(L, inbox_collect);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}
