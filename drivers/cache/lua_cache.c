/* The Lua module `reef.redis.cache.core`, for reef.redis.cache:
 *
 *   create(bytes) -> number                   a new cache
 *   open(number) -> cache | nil
 *   c:getter(miss) -> get                     get(db, key) is the value, or what miss(db, key) returns
 *   c:peek(key) -> boolean, value             is it there? Counts nothing
 *   c:generation(key) -> integer              to be given back to put
 *   c:put(key, value or nil, seconds, generation, source, slot) -> boolean    seconds: that it may be kept; 0: for ever
 *   c:drop(key)  c:flush()  c:flush_source(source)  c:flush_slots{slot, ...}   see store.h
 *   c:set_home(slot, address or nil)  c:is_home(slot, address) -> boolean
 *   c:stat() -> table
 *
 * Keys and values are strings. Of a service that is recorded (core/seam.h), what it reads is in the record; in a replay it has
 * a cache of its own, in which there is nothing. Own slice only.
 */
#include "lua_cache.h"

#include <string.h>

#include <lauxlib.h>

#include "core/clock.h"
#include "core/seam.h"
#include "core/text.h"
#include "datasheet/retired.h"
#include "store.h"

#define CACHE "reef.redis.cache"
#define REPLAYED_BYTES 4096 /* of a cache that nothing is put into */

static struct reef_cache_reader *check_reader(lua_State *L, int index) {
	struct reef_cache_reader *reader = luaL_checkudata(L, index, CACHE);
	luaL_argcheck(L, reader->cache != NULL, index, "this cache was collected");
	return reader;
}

static const TString *string_at(lua_State *L, int index) {
	luaL_checktype(L, index, LUA_TSTRING);
	return tsvalue(s2v(REEF_CI_FUNC(L->ci) + index));
}

/* ---- the seam ---- */

/* Is there anything outside? */
static bool cache_act(struct reef_seam *seam, const char *what, const char *key, size_t size) {
	struct reef_text text = {0};
	if (seam == NULL)
		return true;
	reef_text_add(&text, what, strlen(what));
	reef_text_add(&text, key, size);
	bool real = seam->act(seam, REEF_SEAM_CALL, &(struct reef_seam_about){.bytes = text.data, .size = text.size});
	reef_text_free(&text);
	return real;
}

/* As reef_cache_get; a hit is pushed. */
static enum reef_cache_found get_through(lua_State *L, struct reef_seam *seam, struct reef_cache_reader *reader,
										 const TString *key) {
	TString *value = NULL;
	bool real = cache_act(seam, "reef.redis.cache get ", getstr(key), tsslen(key));
	seam->off++;
	enum reef_cache_found found = real ? reef_cache_get(reader, key, &value) : REEF_CACHE_MISS;
	seam->off--;
	found = (enum reef_cache_found)seam->number(seam, REEF_SEAM_STATE, (int64_t)found);
	if (found != REEF_CACHE_HIT)
		return found;
	size_t size = value ? tsslen(value) : 0;
	const char *bytes = seam->block(seam, REEF_SEAM_STATE, value ? getstr(value) : NULL, &size);
	lua_pushlstring(L, bytes, size);
	return found;
}

/* ---- caches ---- */

static int lua_cache_create(lua_State *L) {
	lua_Integer bytes = luaL_checkinteger(L, 1);
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		seam->cannot(seam, "reef.redis.cache.core.create");
	luaL_argcheck(L, bytes > 0, 1, "a size in bytes");
	unsigned number = reef_cache_new((size_t)bytes);
	if (number == 0)
		return luaL_error(L, "redis cache: no memory, or too many caches");
	lua_pushinteger(L, number);
	return 1;
}

static int lua_cache_open_number(lua_State *L) {
	unsigned number = (unsigned)luaL_checkinteger(L, 1);
	struct reef_seam *seam = reef_seam_here();
	bool real = cache_act(seam, "reef.redis.cache.core.open", NULL, 0);
	struct reef_cache *cache = real ? reef_cache_find(number) : NULL;
	bool there = reef_seam_number(REEF_SEAM_RESULT, cache != NULL);
	if (there && !real)
		cache = reef_cache_find(reef_cache_new(REPLAYED_BYTES));
	if (!there || cache == NULL)
		return 0;
	struct reef_cache_reader *reader = lua_newuserdatauv(L, sizeof(*reader), 0);
	*reader = (struct reef_cache_reader){0};
	luaL_setmetatable(L, CACHE);
	reef_retired_add_reader(L);
	reef_cache_reader_init(reader, cache);
	return 1;
}

static int lua_cache_finalize(lua_State *L) {
	reef_cache_reader_fini(luaL_checkudata(L, 1, CACHE));
	return 0;
}

static int missed(lua_State *L, int status, lua_KContext context) {
	(void)status, (void)context;
	return lua_gettop(L);
}

static int get_otherwise(lua_State *L) {
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_insert(L, 1);
	lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, missed);
	return lua_gettop(L);
}

/* The hot path: upvalues are the cache and what to do when it has nothing. */
static int get(lua_State *L) {
	struct reef_cache_reader *reader = lua_touserdata(L, lua_upvalueindex(1));
	if (lua_isinteger(L, 2))
		(void)lua_tostring(L, 2);
	if (lua_gettop(L) == 2 && lua_type(L, 2) == LUA_TSTRING && reader->cache != NULL) {
		TString *value;
		struct reef_seam *seam = reef_seam_here();
		if (seam) {
			enum reef_cache_found found = get_through(L, seam, reader, tsvalue(s2v(REEF_CI_FUNC(L->ci) + 2)));
			if (found == REEF_CACHE_NOTHING)
				lua_pushnil(L);
			if (found != REEF_CACHE_MISS)
				return 1;
			return get_otherwise(L);
		}
		switch (reef_cache_get(reader, tsvalue(s2v(REEF_CI_FUNC(L->ci) + 2)), &value)) {
		case REEF_CACHE_HIT:
			setsvalue2s(L, REEF_TOP(L), value);
			REEF_TOP(L)++;
			return 1;
		case REEF_CACHE_NOTHING:
			lua_pushnil(L);
			return 1;
		default:
			break;
		}
	}
	return get_otherwise(L);
}

static int lua_cache_getter(lua_State *L) {
	(void)check_reader(L, 1);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	lua_pushcclosure(L, get, 2);
	return 1;
}

static int lua_cache_peek(lua_State *L) {
	TString *value = NULL;
	enum reef_cache_found found = reef_cache_peek(check_reader(L, 1)->cache, string_at(L, 2), &value);
	lua_pushboolean(L, found != REEF_CACHE_MISS);
	if (found != REEF_CACHE_HIT)
		return 1;
	setsvalue2s(L, REEF_TOP(L), value);
	REEF_TOP(L)++;
	return 2;
}

static int lua_cache_generation(lua_State *L) {
	lua_pushinteger(L, (lua_Integer)reef_cache_generation(check_reader(L, 1)->cache, string_at(L, 2)));
	return 1;
}

static unsigned check_slot(lua_State *L, int index) {
	lua_Integer slot = luaL_checkinteger(L, index);
	luaL_argcheck(L, slot >= 0 && slot < REEF_CACHE_SLOTS, index, "a slot");
	return (unsigned)slot;
}

static int lua_cache_put(lua_State *L) {
	struct reef_cache *cache = check_reader(L, 1)->cache;
	const TString *key = string_at(L, 2), *value = lua_isnil(L, 3) ? NULL : string_at(L, 3);
	lua_Number seconds = luaL_checknumber(L, 4);
	uint64_t generation = (uint64_t)luaL_checkinteger(L, 5);
	uint64_t expires = seconds > 0 && seconds < 1e9 ? reef_now_ns() + (uint64_t)(seconds * 1e9) : 0;
	const struct reef_cache_origin origin = {.source = (uint32_t)luaL_checkinteger(L, 6),
											 .slot = (uint16_t)check_slot(L, 7)};
	lua_pushboolean(L, reef_cache_put(cache, key, value, expires, generation, origin));
	return 1;
}

static int lua_cache_drop(lua_State *L) {
	struct reef_cache *cache = check_reader(L, 1)->cache;
	const TString *key = string_at(L, 2);
	(void)cache_act(reef_seam_here(), "reef.redis.cache drop ", getstr(key), tsslen(key));
	reef_cache_drop(cache, key);
	return 0;
}

static int lua_cache_flush(lua_State *L) {
	reef_cache_flush(check_reader(L, 1)->cache);
	return 0;
}

static int lua_cache_flush_source(lua_State *L) {
	reef_cache_flush_source(check_reader(L, 1)->cache, (uint32_t)luaL_checkinteger(L, 2));
	return 0;
}

static int lua_cache_flush_slots(lua_State *L) {
	uint64_t slots[REEF_CACHE_SLOTS / 64] = {0};
	struct reef_cache *cache = check_reader(L, 1)->cache;
	luaL_checktype(L, 2, LUA_TTABLE);
	for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, 2); i <= n; i++) {
		lua_rawgeti(L, 2, i);
		unsigned slot = check_slot(L, -1);
		slots[slot / 64] |= UINT64_C(1) << slot % 64;
		lua_pop(L, 1);
	}
	reef_cache_flush_slots(cache, slots);
	return 0;
}

static int lua_cache_set_home(lua_State *L) {
	struct reef_cache *cache = check_reader(L, 1)->cache;
	unsigned slot = check_slot(L, 2);
	if (!reef_cache_set_home(cache, slot, lua_isnoneornil(L, 3) ? NULL : string_at(L, 3)))
		return luaL_error(L, "redis cache: no memory");
	return 0;
}

static int lua_cache_is_home(lua_State *L) {
	struct reef_cache *cache = check_reader(L, 1)->cache;
	unsigned slot = check_slot(L, 2);
	bool home = reef_seam_number(REEF_SEAM_STATE, reef_cache_is_home(cache, slot, string_at(L, 3)));
	lua_pushboolean(L, home);
	return 1;
}

static int lua_cache_stat(lua_State *L) {
	struct reef_cache_stat stat;
	reef_cache_stat(check_reader(L, 1)->cache, &stat);
	const struct {
		const char *name;
		uint64_t value;
	} fields[] = {
			{"hits", stat.hits},       {"misses", stat.misses},
			{"stored", stat.stored},   {"outdated", stat.outdated},
			{"evicted", stat.evicted}, {"dropped", stat.dropped},
			{"flushes", stat.flushes}, {"entries", stat.entries},
			{"bytes", stat.bytes},     {"most_bytes", stat.most_bytes},
	};
	lua_createtable(L, 0, (int)(sizeof(fields) / sizeof(fields[0])));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		lua_pushinteger(L, reef_seam_number(REEF_SEAM_STATE, (int64_t)fields[i].value));
		lua_setfield(L, -2, fields[i].name);
	}
	return 1;
}

int reef_lua_cache_open(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"getter", lua_cache_getter},
			{"peek", lua_cache_peek},
			{"generation", lua_cache_generation},
			{"put", lua_cache_put},
			{"drop", lua_cache_drop},
			{"flush", lua_cache_flush},
			{"flush_source", lua_cache_flush_source},
			{"flush_slots", lua_cache_flush_slots},
			{"set_home", lua_cache_set_home},
			{"is_home", lua_cache_is_home},
			{"stat", lua_cache_stat},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {{"create", lua_cache_create}, {"open", lua_cache_open_number}, {NULL, NULL}};
	luaL_newmetatable(L, CACHE);
	lua_pushcfunction(L, lua_cache_finalize);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}
