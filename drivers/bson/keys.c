/* See keys.h: a hash table of short keys, probed linearly. What it holds was checked when it came there. A table that has
 * become half full is given up for an empty one, twice as large within a limit: the keys still in use soon come back.
 */
#include "keys.h"

#include <string.h>

#include "core/utf8.h"

enum {
	FIRST_BITS = 5,
	MOST_BITS = 10,
	LONGEST = 16,
};

/* The bytes of a key, zeros behind them: no key has a NUL, and the empty one is never kept. */
struct words {
	uint64_t low, high;
};

struct reef_bson_keys {
	unsigned bits;
	unsigned used;
	struct words slots[];
};

static const char registry_key;

/* Pushes the table, with room for 1 << bits strings, and in it at 0 what they are found by. */
static struct reef_bson_keys *push_new(lua_State *L, unsigned bits) {
	size_t size = sizeof(struct reef_bson_keys) + sizeof(struct words) * ((size_t)1 << bits);
	lua_createtable(L, 1 << bits, 1);
	struct reef_bson_keys *keys = memset(lua_newuserdatauv(L, size, 0), 0, size);
	keys->bits = bits;
	lua_rawseti(L, -2, 0);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
	return keys;
}

struct reef_bson_keys *reef_bson_keys_push(lua_State *L) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) != LUA_TTABLE) {
		lua_pop(L, 1);
		return push_new(L, FIRST_BITS);
	}
	lua_rawgeti(L, -1, 0);
	struct reef_bson_keys *keys = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (keys->used <= 1u << (keys->bits - 1)) {
		return keys;
	}
	lua_pop(L, 1);
	return push_new(L, keys->bits < MOST_BITS ? keys->bits + 1 : MOST_BITS);
}

static uint64_t first_bytes(uint64_t word, size_t n) {
	return n >= 8 ? word : word & ((UINT64_C(1) << 8 * n) - 1);
}

static struct words words_of(const char *key, size_t size, size_t readable) {
	struct words w = {0, 0};
	if (readable < LONGEST) {
		memcpy(&w, key, size);
	} else {
		memcpy(&w, key, LONGEST);
		w.low = first_bytes(w.low, size);
		w.high = size > 8 ? first_bytes(w.high, size - 8) : 0;
	}
	return w;
}

/* The slot that has the key, or the empty one where it belongs: there always is one. */
static size_t keys_find(const struct reef_bson_keys *keys, struct words w) {
	size_t slot = (size_t)((w.low ^ w.high * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd) >>
						   (64 - keys->bits));
	while ((keys->slots[slot].low != w.low || keys->slots[slot].high != w.high) && keys->slots[slot].low != 0) {
		slot = (slot + 1) & ((1u << keys->bits) - 1);
	}
	return slot;
}

static bool push_new_key(lua_State *L, const char *key, size_t size) {
	if (!reef_utf8_valid(key, size)) {
		return false;
	}
	lua_pushlstring(L, key, size);
	return true;
}

bool reef_bson_keys_push_key(lua_State *L, struct reef_bson_keys *keys, int strings, const char *key, size_t size,
							 size_t readable) {
	if (size == 0 || size > LONGEST) {
		return push_new_key(L, key, size);
	}
	struct words w = words_of(key, size, readable);
	size_t slot = keys_find(keys, w);
	if (keys->slots[slot].low != 0) {
		lua_rawgeti(L, strings, (lua_Integer)slot + 1);
		return true;
	}
	if (!push_new_key(L, key, size)) {
		return false;
	}
	if (keys->used < 3u << (keys->bits - 2)) {
		lua_pushvalue(L, -1);
		lua_rawseti(L, strings, (lua_Integer)slot + 1);
		keys->slots[slot] = w;
		keys->used++;
	}
	return true;
}
