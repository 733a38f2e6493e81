/* See lua_parts.h. A message that is being put together grows as it comes: beyond a few megabytes no memory is asked for
 * because of a size that somebody has only announced. Own slice only. */
#include "lua_parts.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/host/pack.h"

#define ASSEMBLY "reef.cluster.assembly"
#define LARGE 32768               /* bytes of a text that make a message large */
#define AT_ONCE ((size_t)4 << 20) /* bytes that are asked for before anything has come */

/* pack(...) -> string; a light userdata and its size when one of the values is a long text */
static int parts_pack(lua_State *L) {
	int n = lua_gettop(L);
	bool large = false;
	for (int i = 1; i <= n && !large; i++)
		large = lua_type(L, i) == LUA_TSTRING && lua_rawlen(L, i) >= LARGE;
	if (!large) {
		reef_pack_string(L, 1);
		return 1;
	}
	size_t size;
	lua_pushlightuserdata(L, reef_pack(L, 1, &size));
	lua_pushinteger(L, (lua_Integer)size);
	return 2;
}

/* The bytes of a string, or of a light userdata with its size behind it. */
static const char *check_message(lua_State *L, int index, size_t *size) {
	if (lua_type(L, index) == LUA_TSTRING)
		return lua_tolstring(L, index, size);
	luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
	lua_Integer n = luaL_checkinteger(L, index + 1);
	luaL_argcheck(L, n >= 0, index + 1, "negative size");
	*size = (size_t)n;
	return lua_touserdata(L, index);
}

/* piece(head, message, size or nil, at, n) -> light userdata, size: a block with `head` and n bytes of the message, from
 * offset `at` on, for a socket that takes it. */
static int parts_piece(lua_State *L) {
	size_t head_size, size;
	const char *head = luaL_checklstring(L, 1, &head_size);
	const char *bytes = check_message(L, 2, &size);
	lua_Integer at = luaL_checkinteger(L, 4), n = luaL_checkinteger(L, 5);
	luaL_argcheck(L, at >= 0 && n >= 0 && (size_t)at <= size && (size_t)n <= size - (size_t)at, 4,
				  "outside the message");
	char *block = reef_try_malloc(head_size + (size_t)n + 1);
	if (block == NULL)
		return luaL_error(L, "not enough memory for a part of %I bytes", (LUAI_UACINT)n);
	memcpy(block, head, head_size);
	if (n > 0)
		memcpy(block + head_size, bytes + at, (size_t)n);
	lua_pushlightuserdata(L, block);
	lua_pushinteger(L, (lua_Integer)(head_size + (size_t)n));
	return 2;
}

struct assembly {
	char *bytes; /* from reef_malloc; NULL once it was taken */
	size_t size, capacity, total;
};

/* assembly(total) */
static int assembly_new(lua_State *L) {
	lua_Integer total = luaL_checkinteger(L, 1);
	luaL_argcheck(L, total >= 0, 1, "negative size");
	struct assembly *a = lua_newuserdatauv(L, sizeof *a, 0);
	*a = (struct assembly){.total = (size_t)total};
	luaL_setmetatable(L, ASSEMBLY);
	return 1;
}

static bool assembly_reserve(struct assembly *a, size_t needed) {
	if (needed <= a->capacity)
		return true;
	size_t capacity = a->capacity ? a->capacity * 2 : AT_ONCE;
	if (capacity > a->total)
		capacity = a->total;
	char *bytes = reef_try_realloc(a->bytes, capacity ? capacity : 1);
	if (bytes == NULL)
		return false;
	a->bytes = bytes;
	a->capacity = capacity;
	return true;
}

/* add(text, first, last): appends these bytes. -> bytes that are there. Raises when they are more than announced. */
static int assembly_add(lua_State *L) {
	struct assembly *a = luaL_checkudata(L, 1, ASSEMBLY);
	size_t length;
	const char *text = luaL_checklstring(L, 2, &length);
	lua_Integer first = luaL_checkinteger(L, 3), last = luaL_checkinteger(L, 4);
	luaL_argcheck(L, first >= 1 && last >= first - 1 && (size_t)last <= length, 3, "outside the text");
	size_t n = (size_t)(last - first + 1);
	if (n > a->total - a->size)
		return luaL_error(L, "a message of %I bytes that was announced with %I", (LUAI_UACINT)(a->size + n),
						  (LUAI_UACINT)a->total);
	if (!assembly_reserve(a, a->size + n))
		return luaL_error(L, "not enough memory for a message of %I bytes", (LUAI_UACINT)a->total);
	if (n > 0)
		memcpy(a->bytes + a->size, text + first - 1, n);
	a->size += n;
	lua_pushinteger(L, (lua_Integer)a->size);
	return 1;
}

/* take() -> light userdata, size: the message, which is the caller's. */
static int assembly_take(lua_State *L) {
	struct assembly *a = luaL_checkudata(L, 1, ASSEMBLY);
	luaL_argcheck(L, a->size == a->total && (a->bytes || a->total == 0), 1, "it is not complete, or was taken");
	lua_pushlightuserdata(L, a->bytes);
	lua_pushinteger(L, (lua_Integer)a->size);
	*a = (struct assembly){.bytes = NULL};
	return 2;
}

static int assembly_gc(lua_State *L) {
	struct assembly *a = luaL_checkudata(L, 1, ASSEMBLY);
	reef_free(a->bytes);
	a->bytes = NULL;
	return 0;
}

int reef_lua_parts_open(lua_State *L) {
	static const luaL_Reg methods[] = {{"add", assembly_add}, {"take", assembly_take}, {NULL, NULL}};
	static const luaL_Reg functions[] = {
			{"pack", parts_pack}, {"piece", parts_piece}, {"assembly", assembly_new}, {NULL, NULL}};
	luaL_newmetatable(L, ASSEMBLY);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, assembly_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
