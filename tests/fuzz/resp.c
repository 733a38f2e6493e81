/* Any bytes as replies of a Redis server: never a crash, and however they are cut, the same values and the same error.
 *
 * The first byte of the input says how long the pieces are. Values are compared as text. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "drivers/redis/reply.h"

static const struct reef_redis_limits limits = {.reply = 1 << 16, .elements = 1000, .depth = 8};

/* Appends the value on top of L's stack to `b` as text, and pops it. */
static void describe(lua_State *L, char **text, size_t *size) {
	static const char code[] = "local show\n"
							   "function show(v)\n"
							   "  if type(v) ~= 'table' then return math.type(v) == 'float' and ('%a'):format(v) or "
							   "('%q'):format(v) end\n"
							   "  local out = {}\n"
							   "  for k, x in pairs(v) do out[#out + 1] = show(k) .. '=' .. show(x) end\n"
							   "  table.sort(out)\n"
							   "  return '{' .. table.concat(out, ',') .. '}'\n"
							   "end\n"
							   "return show";
	if (lua_getfield(L, LUA_REGISTRYINDEX, "show") == LUA_TNIL) {
		lua_pop(L, 1);
		if (luaL_dostring(L, code))
			abort();
		lua_pushvalue(L, -1);
		lua_setfield(L, LUA_REGISTRYINDEX, "show");
	}
	lua_insert(L, -2);
	lua_call(L, 1, 1);
	size_t n;
	const char *one = lua_tolstring(L, -1, &n);
	*text = realloc(*text, *size + n + 1);
	memcpy(*text + *size, one, n);
	(*text)[*size + n] = ';';
	*size += n + 1;
	lua_pop(L, 1);
}

/* Reads all of it in pieces of `step` bytes; the replies as text (the caller frees it), NUL-terminated with the error. */
static char *read_all(lua_State *L, const uint8_t *bytes, size_t size, size_t step) {
	lua_State *build = lua_newthread(L);
	struct reef_redis_reader reader;
	char *text = NULL;
	size_t length = 0;
	reef_redis_reader_init(&reader, &limits);
	for (size_t at = 0; at < size && !reader.error[0];) {
		size_t n = step < size - at ? step : size - at, room_size;
		char *room = reef_redis_reader_room(&reader, &room_size);
		if (room) {
			n = n < room_size ? n : room_size;
			memcpy(room, bytes + at, n);
			reef_redis_reader_feed(&reader, room, n);
			at += n;
		} else {
			at += reef_redis_reader_feed(&reader, (const char *)bytes + at, n);
		}
		int done;
		do {
			done = reef_redis_reader_parse(&reader, build);
			for (int i = 1; i <= done; i++) {
				lua_pushinteger(L, reader.kind[i - 1]);
				describe(L, &text, &length);
				lua_pushvalue(build, i);
				lua_xmove(build, L, 1);
				describe(L, &text, &length);
			}
			reef_redis_reader_drop(build, done);
		} while (done == REEF_REDIS_BATCH);
	}
	text = realloc(text, length + 2);
	snprintf(text + length, 2, "%s", reader.error[0] ? "!" : "");
	reef_redis_reader_fini(&reader);
	lua_settop(L, 0);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static lua_State *L;
	static unsigned runs;
	if (L == NULL || ++runs % 10000 == 0) {
		if (L)
			lua_close(L);
		L = luaL_newstate();
		luaL_openlibs(L);
	}
	if (size < 2)
		return 0;
	char *whole = read_all(L, data + 1, size - 1, size);
	char *pieces = read_all(L, data + 1, size - 1, data[0] % 64 + 1);
	if (strcmp(whole, pieces) != 0) {
		fprintf(stderr, "whole:  %s\npieces: %s\n", whole, pieces);
		abort();
	}
	free(whole);
	free(pieces);
	return 0;
}
