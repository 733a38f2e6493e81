/* See message.h. */
#include "message.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/seam.h"
#include "drivers/bson/decode.h"
#include "drivers/bson/encode.h"
#include "drivers/bson/lua_writer.h"

/* Threads take numbers in blocks. */
#define BLOCK 4096u

int32_t reef_mongo_message_next_id(void) {
	static _Atomic uint32_t blocks;
	static _Thread_local uint32_t next, left;
	int32_t id;
	do {
		if (left == 0) {
			next = atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed) * BLOCK;
			left = BLOCK;
		}
		left--;
		id = (int32_t)(next++ & INT32_MAX);
	} while (id == 0);
	return (int32_t)reef_seam_number(REEF_SEAM_STATE, id);
}

/* ---- writing ---- */

static uint8_t *add_bytes(lua_State *L, struct reef_writer *w, size_t n) {
	uint8_t *p = reef_writer_add(w, n);
	if (p == NULL) {
		luaL_error(L, "mongo: a message larger than %d bytes, or no memory for it", REEF_WIRE_MAX);
	}
	return p;
}

/* The section of documents: identifier and list at `index` and behind. */
static void write_sequence(lua_State *L, struct reef_writer *w, int index) {
	size_t size;
	const char *identifier = luaL_checklstring(L, index, &size);
	const struct reef_writer *batch = reef_lua_writer_to(L, index + 1);
	if (batch == NULL) {
		luaL_checktype(L, index + 1, LUA_TTABLE);
	}
	add_bytes(L, w, 1)[0] = 1;
	size_t start = w->size;
	memcpy(add_bytes(L, w, 4 + size + 1) + 4, identifier, size + 1);
	if (batch != NULL && batch->size == 0) {
		luaL_argerror(L, index + 1, "this batch was released");
	}
	if (batch != NULL) {
		memcpy(add_bytes(L, w, batch->size), batch->data, batch->size);
	} else {
		enum reef_bson_purpose purpose = strcmp(identifier, "documents") == 0 ? REEF_BSON_DATA : REEF_BSON_ANYTHING;
		lua_Integer n = luaL_len(L, index + 1);
		for (lua_Integer i = 1; i <= n; i++) {
			lua_geti(L, index + 1, i);
			reef_bson_encode(L, -1, w, purpose);
			lua_pop(L, 1);
		}
	}
	/* See reef_bson_element_has. */
	if (w->size < start + 4) {
		luaL_error(L, "mongo: a document's metamethod used MongoDB while the document was written");
	}
	reef_put32(w->data + start, (uint32_t)(w->size - start));
}

/* Does the table begin with a name? */
static bool is_list(lua_State *L, int index) {
	bool named = lua_istable(L, index) && lua_rawgeti(L, index, 1) == LUA_TSTRING;
	lua_settop(L, index);
	return named;
}

static void write_sections(lua_State *L, struct reef_writer *w, int index) {
	int top = lua_gettop(L);
	add_bytes(L, w, 1)[0] = 0;
	if (top == index + 2 && is_list(L, top)) {
		reef_bson_encode_list(L, top, w);
	} else if (top == index + 2) {
		reef_bson_encode(L, top, w, REEF_BSON_ANYTHING);
	} else {
		reef_bson_encode_pairs(L, index + 2, top, w);
	}
	if (!lua_isnil(L, index)) {
		write_sequence(L, w, index);
	}
}

/* ---- where messages are written ---- */

/* The header and flags of a message. */
#define HEADER (REEF_WIRE_HEADER + 4)

struct workbench {
	struct reef_writer writer;
	uint64_t uses;
};

static pthread_key_t workbench_key;
static _Thread_local struct workbench *workbench;

static void free_message_workbench(void *p) {
	struct workbench *bench = p;
	reef_writer_fini(&bench->writer);
	reef_free(bench);
	workbench = NULL;
}

static struct workbench *get_workbench(void) {
	if (workbench == NULL) {
		workbench = reef_calloc(1, sizeof(*workbench));
		reef_writer_init(&workbench->writer, 0);
		pthread_setspecific(workbench_key, workbench);
	}
	return workbench;
}

struct reef_writer *reef_mongo_message_write(lua_State *L, size_t room, int index, int32_t id, uint32_t flags) {
	struct workbench *bench = get_workbench();
	struct reef_writer *w = &bench->writer;
	uint64_t use = ++bench->uses;
	w->size = 0;
	w->limit = room + REEF_WIRE_MAX;
	if (reef_writer_add(w, room + HEADER) == NULL) {
		luaL_error(L, "mongo: no memory for a message");
	}
	write_sections(L, w, index);
	if (bench->uses != use) {
		luaL_error(L, "mongo: a document's metamethod used MongoDB while the document was written");
	}
	reef_wire_put_header(w->data + room, w->size - room, id, 0, flags);
	return w;
}

void reef_mongo_message_setup(void) {
	pthread_key_create(&workbench_key, free_message_workbench);
}

/* ---- what Lua says ---- */

uint32_t reef_mongo_message_read_flags(const char *flags, unsigned *decode) {
	uint32_t message = 0;
	*decode = 0;
	for (; *flags != 0; flags++) {
		if (*flags == 'x') {
			*decode |= REEF_BSON_EXACT;
		} else if (*flags == 'b') {
			*decode |= REEF_BSON_BATCHES;
		} else if (*flags == 'e') {
			message |= REEF_WIRE_EXHAUST_ALLOWED;
		}
	}
	return message;
}

const char *reef_mongo_message_lasting(lua_State *L, int index) {
	luaL_checkstring(L, index);
	lua_pushvalue(L, index);
	lua_pushboolean(L, true);
	lua_rawset(L, lua_upvalueindex(1));
	return lua_tostring(L, index);
}

/* ---- reading ---- */

/* Arguments: message, flags. */
static int decode_reply(lua_State *L) {
	const struct reef_wire_message *m = lua_touserdata(L, 1);
	unsigned flags = (unsigned)lua_tointeger(L, 2);
	struct reef_wire_sequence s;
	size_t at = 0;
	reef_bson_decode(L, m->body, m->body_size, flags);
	while (reef_wire_next_sequence(m, &at, &s)) {
		lua_newtable(L);
		lua_Integer n = 0;
		for (const uint8_t *p = s.documents; p < s.end; p += reef_get32(p)) {
			reef_bson_decode(L, p, reef_get32(p), flags);
			lua_rawseti(L, -2, ++n);
		}
		lua_setfield(L, -2, s.identifier);
	}
	return 1;
}

bool reef_mongo_message_push_reply(lua_State *L, struct reef_wire_message *m, unsigned decode) {
	lua_pushcfunction(L, decode_reply);
	lua_pushlightuserdata(L, m);
	lua_pushinteger(L, decode);
	return lua_pcall(L, 2, 1, 0) == LUA_OK;
}
