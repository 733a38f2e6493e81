/* See lua_writer.h. */
#include "lua_writer.h"

#include <lauxlib.h>

#define WRITER "bson.writer"

enum { KEEP = 64 * 1024 }; /* a writer that grew larger is not kept */

static const char writer_key;

static int writer_gc(lua_State *L) {
	reef_writer_fini(luaL_checkudata(L, 1, WRITER));
	return 0;
}

static struct reef_writer *push_new(lua_State *L, size_t limit) {
	struct reef_writer *w = lua_newuserdatauv(L, sizeof(*w), 0);
	reef_writer_init(w, limit);
	if (luaL_newmetatable(L, WRITER)) {
		lua_pushcfunction(L, writer_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return w;
}

struct reef_writer *reef_lua_writer_borrow(lua_State *L, size_t limit) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &writer_key) != LUA_TNIL) {
		lua_pushnil(L);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &writer_key);
		struct reef_writer *w = lua_touserdata(L, -1);
		w->size = 0;
		w->limit = limit;
		return w;
	}
	lua_pop(L, 1);
	return push_new(L, limit);
}

struct reef_writer *reef_lua_writer_to(lua_State *L, int index) {
	return luaL_testudata(L, index, WRITER);
}

void reef_lua_writer_return(lua_State *L, int index) {
	struct reef_writer *w = lua_touserdata(L, index);
	if (w->capacity <= KEEP) {
		lua_pushvalue(L, index);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &writer_key);
	} else {
		reef_writer_fini(w);
	}
}

void reef_lua_writer_hand_out(lua_State *L, int index) {
	struct reef_writer *w = lua_touserdata(L, index), *out = push_new(L, w->limit);
	*out = *w;
	reef_writer_init(w, w->limit);
	reef_lua_writer_return(L, index);
}

void reef_lua_writer_take_back(lua_State *L, int index) {
	struct reef_writer *out = lua_touserdata(L, index), *w = reef_lua_writer_borrow(L, out->limit);
	if (out->capacity <= KEEP && out->capacity > w->capacity) {
		struct reef_writer other = *w;
		*w = *out;
		*out = other;
	}
	reef_lua_writer_return(L, lua_gettop(L));
	lua_pop(L, 1);
	reef_writer_fini(out);
}
