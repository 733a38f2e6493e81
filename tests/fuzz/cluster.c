/* Frames between nodes of a cluster, in pieces of any size: the requests that come out of lualib/reef/cluster (frame,
 * incoming, large) and drivers/cluster are those that a simple model finds in the whole stream, and what the model refuses
 * ends the connection. The first eight bytes of the input say how large the pieces are; the rest is the stream. The model
 * knows the bytes from the contract. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "core/alloc.h"
#include "drivers/cluster/lua_parts.h"

enum { LIMIT = 3000, OPEN = 64, RECORDS = 1 << 20 };

/* ---- what was found, in one form for both ---- */

struct records {
	uint8_t bytes[RECORDS];
	size_t size;
};

static struct records expected, found;

static void put(struct records *r, const void *bytes, size_t n) {
	if (n > RECORDS - r->size)
		abort();
	if (n > 0)
		memcpy(r->bytes + r->size, bytes, n);
	r->size += n;
}

struct request {
	const uint8_t *address, *tag; /* a number's four bytes, or a name */
	size_t address_size, tag_size;
	bool named, push;
	uint32_t session;
};

static void put_request(struct records *r, const struct request *q, const void *message, size_t size) {
	uint64_t head[] = {q->named, q->address_size, q->push, q->session, q->tag_size, size};
	put(r, head, sizeof head);
	put(r, q->address, q->address_size);
	put(r, q->tag, q->tag_size);
	put(r, message, size);
}

/* ---- the model ---- */

struct large {
	bool used;
	struct request request;
	uint8_t bytes[LIMIT];
	size_t size, total;
};

static struct large open_ones[OPEN];
static size_t unfinished;
static const uint8_t *tag;
static size_t tag_size;

static uint32_t u32(const uint8_t *p) {
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct large *find(uint32_t session) {
	for (int i = 0; i < OPEN; i++) {
		if (open_ones[i].used && open_ones[i].request.session == session)
			return &open_ones[i];
	}
	return NULL;
}

static bool part(const uint8_t *p, size_t n) {
	if (n < 5)
		return false;
	struct large *l = find(u32(p + 1));
	size_t more = n - 5;
	bool last = p[0] == 3;
	if (!l || more > l->total - l->size || unfinished + more > LIMIT)
		return false;
	memcpy(l->bytes + l->size, p + 5, more);
	l->size += more;
	unfinished += more;
	if (!last)
		return more > 0;
	if (l->size < l->total)
		return false;
	put_request(&expected, &l->request, l->bytes, l->size);
	unfinished -= l->size;
	l->used = false;
	return true;
}

static bool begin(const struct request *q, size_t total) {
	if (find(q->session) || total > LIMIT)
		return false;
	for (int i = 0; i < OPEN; i++) {
		struct large *l = &open_ones[i];
		if (!l->used) {
			l->used = true;
			l->request = *q;
			l->size = 0;
			l->total = total;
			return true;
		}
	}
	return true; /* more than a stream of this size can have */
}

/* One whole payload. False: it ends the connection. */
static bool payload(const uint8_t *p, size_t n) {
	if (n == 0)
		return false;
	uint8_t kind = p[0];
	if (kind == 2 || kind == 3)
		return part(p, n);
	if (kind == 4) {
		tag = p + 1;
		tag_size = n - 1;
		return tag_size >= 1 && tag_size <= 255;
	}
	struct request q = {.named = kind & 0x80, .tag = tag, .tag_size = tag_size};
	uint8_t plain = kind & 0x7f;
	if (plain != 0 && plain != 0x01 && plain != 0x41)
		return false;
	size_t at = 1;
	if (q.named) {
		if (n < 2 || n < 2u + p[1])
			return false;
		q.address_size = p[1];
		at = 2;
	} else {
		q.address_size = 4;
	}
	q.address = p + at;
	at += q.address_size;
	size_t needed = plain == 0 ? 4 : 8;
	if (n < at + needed || (plain != 0 && n != at + needed))
		return false;
	q.session = u32(p + at);
	q.push = plain == 0 ? q.session == 0 : plain == 0x41;
	tag_size = 0;
	if (plain == 0) {
		put_request(&expected, &q, p + at + 4, n - at - 4);
		return true;
	}
	return begin(&q, u32(p + at + 4));
}

enum end { WHOLE, REFUSED, UNFINISHED_PART };

static enum end model(const uint8_t *p, size_t n) {
	memset(open_ones, 0, sizeof open_ones);
	unfinished = tag_size = 0;
	expected.size = 0;
	size_t at = 0;
	while (n - at >= 2) {
		size_t length = (size_t)p[at] << 8 | p[at + 1];
		if (length > n - at - 2)
			return n - at >= 3 && (p[at + 2] == 2 || p[at + 2] == 3) ? UNFINISHED_PART : WHOLE;
		if (!payload(p + at + 2, length))
			return REFUSED;
		at += 2 + length;
	}
	return WHOLE;
}

/* ---- ours ---- */

static const uint8_t *stream, *pieces;
static size_t left, turn;

/* socket.read(id, size or nil) -> bytes; false and what is left at the end */
static int socket_read(lua_State *L) {
	size_t wanted = (size_t)luaL_optinteger(L, 2, 0);
	size_t n = wanted ? wanted : 1 + (size_t)pieces[turn++ % 8] * 3;
	if (n > left && (wanted || left == 0)) {
		lua_pushboolean(L, 0);
		lua_pushlstring(L, (const char *)stream, left);
		left = 0;
		return 2;
	}
	n = n < left ? n : left;
	lua_pushlstring(L, (const char *)stream, n);
	stream += n;
	left -= n;
	return 1;
}

/* request(address, session, message, push, tag, size) */
static int request(lua_State *L) {
	uint8_t number[4];
	struct request q = {.named = lua_type(L, 1) == LUA_TSTRING, .session = (uint32_t)luaL_checkinteger(L, 2)};
	if (q.named) {
		q.address = (const uint8_t *)lua_tolstring(L, 1, &q.address_size);
	} else {
		lua_Integer n = luaL_checkinteger(L, 1);
		for (int i = 0; i < 4; i++)
			number[i] = (uint8_t)(n >> (8 * i));
		q.address = number;
		q.address_size = 4;
	}
	q.push = lua_toboolean(L, 4);
	q.tag = (const uint8_t *)luaL_optlstring(L, 5, "", &q.tag_size);
	if (lua_isinteger(L, 6)) {
		put_request(&found, &q, lua_touserdata(L, 3), (size_t)lua_tointeger(L, 6));
		reef_free(lua_touserdata(L, 3));
	} else {
		size_t size;
		const char *message = luaL_checklstring(L, 3, &size);
		put_request(&found, &q, message, size);
	}
	return 0;
}

static const char READER[] = "package.path = ...\n"
							 "package.preload['reef.socket'] = function() return { read = read } end\n"
							 "local frame, incoming = require 'reef.cluster.frame', require 'reef.cluster.incoming'\n"
							 "return function(limit, request)\n"
							 "	local requests = incoming.new(limit, request)\n"
							 "	return frame.read(1, function(...) requests:frame(...) end, nil,\n"
							 "		function(...) return requests:partly(...) end)\n"
							 "end\n";

static lua_State *start(void) {
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	lua_pushcfunction(L, reef_lua_parts_open);
	lua_setfield(L, -2, "reef.cluster.core");
	lua_register(L, "read", socket_read);
	if (luaL_loadstring(L, READER) != LUA_OK)
		abort();
	lua_pushstring(L, REEF_ROOT "/lualib/?.lua");
	if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		abort();
	}
	lua_replace(L, 1);
	lua_settop(L, 1);
	return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static lua_State *L;
	if (size < 8 || size > 1 << 16)
		return 0;
	if (!L)
		L = start();
	enum end end = model(data + 8, size - 8);
	pieces = data;
	stream = data + 8;
	left = size - 8;
	turn = found.size = 0;
	lua_settop(L, 1);
	lua_pushvalue(L, 1);
	lua_pushinteger(L, LIMIT);
	lua_pushcfunction(L, request);
	bool ended = lua_pcall(L, 2, 1, 0) != LUA_OK;
	/* Bytes of a part are looked at before its end has come, so it may be refused before. */
	if (ended != (end == REFUSED) && !(ended && end == UNFINISHED_PART)) {
		fprintf(stderr, "%s\n", ended ? lua_tostring(L, -1) : "not refused");
		abort();
	}
	if (found.size != expected.size || memcmp(found.bytes, expected.bytes, found.size) != 0)
		abort();
	return 0;
}
