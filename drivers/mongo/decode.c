/* BSON bytes to Lua tables, in one walk.
 *
 * The values of a document wait on the Lua stack until it is known how many there are, so that its table is made in the
 * right size at once; a long document goes in batches. Each element is checked when the walk reaches it.
 */
#include "bson.h"

#include <lauxlib.h>

enum {
	BATCH = 64,
	/* A table is never presized for more than this on the word of bytes not read yet. */
	PRESIZE = 4096,
};

struct step {
	const char *key;
	size_t size;
};

struct decoder {
	lua_State *L;
	unsigned flags;
	int array_mt;
	int depth;
	struct step path[REEF_BSON_DEPTH + 1];
};

static int fail(struct decoder *d, const char *text) {
	luaL_Buffer b;
	luaL_buffinit(d->L, &b);
	luaL_addstring(&b, "Invalid bson: ");
	luaL_addstring(&b, text);
	int named = 0;
	for (int i = 1; i <= d->depth && i <= REEF_BSON_DEPTH; i++) {
		if (d->path[i].key != NULL) {
			luaL_addstring(&b, named++ == 0 ? " in '" : ".");
			luaL_addlstring(&b, d->path[i].key, d->path[i].size);
		}
	}
	if (named > 0) {
		luaL_addchar(&b, '\'');
	}
	luaL_pushresult(&b);
	return lua_error(d->L);
}

/* ---- scalars ---- */

static void push_tagged(lua_State *L, uint8_t type, const void *bytes, size_t size) {
	char small[32];
	if (size <= sizeof(small) - 2) {
		small[0] = 0;
		small[1] = (char)type;
		if (size > 0) {
			memcpy(small + 2, bytes, size);
		}
		lua_pushlstring(L, small, size + 2);
		return;
	}
	luaL_Buffer b;
	char *p = luaL_buffinitsize(L, &b, size + 2);
	p[0] = 0;
	p[1] = (char)type;
	memcpy(p + 2, bytes, size);
	luaL_pushresultsize(&b, size + 2);
}

static void push_date(lua_State *L, const uint8_t *p) {
	int64_t ms = (int64_t)reef_get64(p);
	if (ms % 1000 == 0 && ms / 1000 >= INT32_MIN && ms / 1000 <= INT32_MAX) {
		uint8_t seconds[4];
		reef_put32(seconds, (uint32_t)(ms / 1000));
		push_tagged(L, REEF_BSON_DATE, seconds, 4);
	} else {
		push_tagged(L, REEF_BSON_DATE, p, 8);
	}
}

static void push_binary(lua_State *L, const uint8_t *p, size_t size) {
	if (p[4] != 2) {
		push_tagged(L, REEF_BSON_BINARY, p + 4, size - 4);
		return;
	}
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	luaL_addlstring(&b, "\0\5\2", 3);
	luaL_addlstring(&b, (const char *)p + 9, size - 9);
	luaL_pushresult(&b);
}

static void push_double(lua_State *L, const uint8_t *p) {
	uint64_t bits = reef_get64(p);
	double d;
	memcpy(&d, &bits, 8);
	lua_pushnumber(L, d);
}

static void push_string(lua_State *L, const uint8_t *p, size_t size, unsigned flags) {
	const char *s = (const char *)p + 4;
	size -= 5;
	if ((flags & REEF_BSON_EXACT) != 0 && size >= 2 && s[0] == 0) {
		push_tagged(L, REEF_BSON_STRING, s, size);
	} else {
		lua_pushlstring(L, s, size);
	}
}

static void push_int64(lua_State *L, const uint8_t *p, unsigned flags) {
	int64_t i = (int64_t)reef_get64(p);
	if ((flags & REEF_BSON_EXACT) != 0 && i >= INT32_MIN && i <= INT32_MAX) {
		push_tagged(L, REEF_BSON_INT64, p, 8);
	} else {
		lua_pushinteger(L, i);
	}
}

static void push_scalar(lua_State *L, const struct reef_bson_element *e, unsigned flags) {
	const uint8_t *p = e->value;
	switch (e->type) {
	case REEF_BSON_DOUBLE:
		push_double(L, p);
		break;
	case REEF_BSON_STRING:
		push_string(L, p, e->value_size, flags);
		break;
	case REEF_BSON_BINARY:
		push_binary(L, p, e->value_size);
		break;
	case REEF_BSON_BOOLEAN:
		lua_pushboolean(L, p[0]);
		break;
	case REEF_BSON_DATE:
		push_date(L, p);
		break;
	case REEF_BSON_INT32:
		lua_pushinteger(L, (int32_t)reef_get32(p));
		break;
	case REEF_BSON_INT64:
		push_int64(L, p, flags);
		break;
	default:
		push_tagged(L, e->type, p, e->value_size);
		break;
	}
}

/* ---- documents and arrays ---- */

static void document(struct decoder *d, const uint8_t *data, size_t size);
static void array(struct decoder *d, const uint8_t *data, size_t size);

static void push_value(struct decoder *d, const struct reef_bson_element *e) {
	if (e->type == REEF_BSON_DOCUMENT) {
		document(d, e->value, e->value_size);
	} else if (e->type == REEF_BSON_ARRAY) {
		array(d, e->value, e->value_size);
	} else {
		push_scalar(d->L, e, d->flags);
	}
}

static void enter(struct decoder *d, struct reef_bson_reader *r, const uint8_t *data, size_t size) {
	if (!reef_bson_open(r, data, size, d->depth + 1)) {
		fail(d, r->error);
	}
	d->depth++;
	d->path[d->depth].key = NULL;
	luaL_checkstack(d->L, 2 * BATCH + 8, "bson");
}

static bool next(struct decoder *d, struct reef_bson_reader *r, struct reef_bson_element *e) {
	int more = reef_bson_next(r, e);
	if (more != 0) {
		d->path[d->depth] = (struct step){e->key, e->key_size};
	}
	if (more < 0) {
		fail(d, r->error);
	}
	return more > 0;
}

/* How many elements there will be when `n` took the bytes up to here. */
static int estimate(const struct reef_bson_reader *r, const uint8_t *data, int n) {
	size_t used = (size_t)(r->at - data);
	size_t more = (size_t)(r->end - r->at) / (used / (size_t)n);
	return n + (int)(more < PRESIZE ? more : PRESIZE);
}

/* A document in the making: stack slot `slot` is for its table, `slot` + 1 for the list of its keys. */
struct build {
	int slot;
	int waiting; /* pairs on the stack */
	lua_Integer done;
	bool made;
};

static void flush_document(struct decoder *d, struct build *b, int expected) {
	lua_State *L = d->L;
	bool exact = (d->flags & REEF_BSON_EXACT) != 0;
	if (!b->made) {
		b->made = true;
		lua_createtable(L, 0, expected + (exact ? 1 : 0));
		lua_replace(L, b->slot);
		if (exact) {
			lua_createtable(L, expected, 0);
			lua_replace(L, b->slot + 1);
		}
	}
	int first = b->slot + 2;
	for (int i = 0; i < b->waiting; i++) {
		int key = first + 2 * i;
		if (exact) {
			lua_pushvalue(L, key);
			if (lua_rawget(L, b->slot) != LUA_TNIL) {
				size_t size;
				const char *text = lua_tolstring(L, key, &size);
				d->path[d->depth] = (struct step){text, size};
				fail(d, "duplicate key");
			}
			lua_pop(L, 1);
			lua_pushvalue(L, key);
			lua_rawseti(L, b->slot + 1, b->done + i + 1);
		}
		lua_pushvalue(L, key);
		lua_pushvalue(L, key + 1);
		lua_rawset(L, b->slot);
	}
	lua_settop(L, first - 1);
	b->done += b->waiting;
	b->waiting = 0;
}

static void document(struct decoder *d, const uint8_t *data, size_t size) {
	lua_State *L = d->L;
	struct reef_bson_reader r;
	struct reef_bson_element e;
	enter(d, &r, data, size);
	lua_pushnil(L);
	lua_pushnil(L);
	struct build b = {.slot = lua_gettop(L) - 1};
	while (next(d, &r, &e)) {
		if (b.waiting == BATCH) {
			flush_document(d, &b, estimate(&r, data, BATCH));
		}
		lua_pushlstring(L, e.key, e.key_size);
		push_value(d, &e);
		b.waiting++;
	}
	flush_document(d, &b, b.waiting);
	if ((d->flags & REEF_BSON_EXACT) != 0) {
		lua_rawsetp(L, b.slot, &reef_bson_order);
		reef_bson_push_document_mt(L);
		lua_setmetatable(L, b.slot);
	}
	lua_settop(L, b.slot);
	d->depth--;
}

static void flush_array(struct decoder *d, struct build *b, int expected) {
	lua_State *L = d->L;
	if (!b->made) {
		b->made = true;
		lua_createtable(L, expected, 0);
		lua_replace(L, b->slot);
	}
	for (int i = b->waiting; i > 0; i--) {
		lua_rawseti(L, b->slot, b->done + i);
	}
	b->done += b->waiting;
	b->waiting = 0;
}

static void array(struct decoder *d, const uint8_t *data, size_t size) {
	lua_State *L = d->L;
	struct reef_bson_reader r;
	struct reef_bson_element e;
	enter(d, &r, data, size);
	lua_pushnil(L);
	struct build b = {.slot = lua_gettop(L)};
	while (next(d, &r, &e)) {
		if (b.waiting == BATCH) {
			flush_array(d, &b, estimate(&r, data, BATCH));
		}
		push_value(d, &e);
		b.waiting++;
	}
	flush_array(d, &b, b.waiting);
	lua_pushvalue(L, d->array_mt);
	lua_setmetatable(L, b.slot);
	d->depth--;
}

static void start(struct decoder *d, lua_State *L, unsigned flags) {
	d->L = L;
	d->flags = flags;
	d->depth = 0;
	luaL_checkstack(L, 4, "bson");
	reef_bson_push_array_mt(L);
	d->array_mt = lua_gettop(L);
}

void reef_bson_decode(lua_State *L, const uint8_t *data, size_t size, unsigned flags) {
	struct decoder d;
	start(&d, L, flags);
	document(&d, data, size);
	lua_remove(L, d.array_mt);
}

void reef_bson_push(lua_State *L, const struct reef_bson_element *e) {
	struct decoder d;
	start(&d, L, 0);
	push_value(&d, e);
	lua_remove(L, d.array_mt);
}
