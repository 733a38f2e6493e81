/* Spans: see spans.h. One ring of the process with one lock: only what was picked comes here. */
#include "spans.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/chance.h"
#include "core/clock.h"
#include "core/seam.h"
#include "core/service.h"

enum { ROOM = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_span *ring; /* made with the first rate, kept for good */
static size_t first, count;
static uint64_t dropped;
static _Atomic uint64_t chance; /* of 2^63; 0: off */
static _Thread_local uint64_t state;

/* Chance of this thread, not of the service that it runs: it passes no seam. splitmix64: public domain, Sebastiano Vigna. */
static uint64_t draw(void) {
	struct reef_seam *left = reef_seam_leave();
	while (state == 0)
		if (!reef_chance_fill(&state, sizeof state, false))
			state = reef_now_ns() ^ (uintptr_t)&state;
	reef_seam_return(left);
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return z ? z : 1;
}

/* ---- what comes of it shows in what a service sends: it passes the seam ---- */

uint64_t reef_spans_new_id(void) {
	return (uint64_t)reef_seam_number(REEF_SEAM_RESULT, (int64_t)draw());
}

bool reef_spans_on(void) {
	return reef_seam_number(REEF_SEAM_STATE, atomic_load_explicit(&chance, memory_order_relaxed) != 0) != 0;
}

bool reef_spans_pick(void) {
	uint64_t wanted = atomic_load_explicit(&chance, memory_order_relaxed);
	return reef_seam_number(REEF_SEAM_RESULT, wanted != 0 && draw() >> 1 < wanted) != 0;
}

static void name_service(uint32_t handle, char *name, size_t size) {
	struct reef_service_look look;
	if (!reef_service_look(handle, &look))
		return;
	const char *word = look.description;
	if (strncmp(word, "snlua ", 6) == 0)
		word += 6;
	snprintf(name, size, "%.*s", (int)strcspn(word, " "), word);
}

void reef_spans_put(struct reef_span *span) {
	name_service(span->service, span->service_name, sizeof span->service_name);
	pthread_mutex_lock(&lock);
	if (ring && count < ROOM)
		ring[(first + count++) % ROOM] = *span;
	else
		dropped++;
	pthread_mutex_unlock(&lock);
}

/* ---- for Lua ---- */

static void set_id(lua_State *L, const char *field, const uint64_t *id, int words) {
	char text[40];
	int n = 0;
	for (int i = 0; i < words; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%016llx", (unsigned long long)id[i]);
	lua_pushlstring(L, text, (size_t)n);
	lua_setfield(L, -2, field);
}

static void set_text(lua_State *L, const char *field, const char *text) {
	if (!*text)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, uint64_t n) {
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, field);
}

static void push_span(lua_State *L, const struct reef_span *span, uint64_t since_1970) {
	static const char *const kinds[] = {"request", "call", "wait"};
	lua_createtable(L, 0, 14);
	set_id(L, "trace", span->trace, 2);
	set_id(L, "id", &span->id, 1);
	if (span->parent)
		set_id(L, "parent", &span->parent, 1);
	set_integer(L, "start", since_1970 + span->start_ns);
	set_integer(L, "duration", span->end_ns - span->start_ns);
	set_integer(L, "queued", span->queued_ns);
	set_integer(L, "service", span->service);
	if (span->peer)
		set_integer(L, "peer", span->peer);
	set_text(L, "kind", kinds[span->kind]);
	set_text(L, "name", span->name);
	set_text(L, "service_name", span->service_name);
	set_text(L, "error", span->failed && !*span->error ? "failed" : span->error);
	lua_pushboolean(L, span->remote);
	lua_setfield(L, -2, "remote");
}

static uint64_t now_since_1970(void) {
	struct timespec t;
	reef_clock_wall(&t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static int spans_drain(lua_State *L) {
	lua_Integer most = luaL_checkinteger(L, 1);
	uint64_t since_1970 = now_since_1970() - reef_now_ns(), lost;
	lua_newtable(L);
	for (lua_Integer i = 1; i <= most; i++) {
		struct reef_span span;
		pthread_mutex_lock(&lock);
		bool found = count > 0;
		if (found) {
			span = ring[first];
			first = (first + 1) % ROOM;
			count--;
		}
		pthread_mutex_unlock(&lock);
		if (!found)
			break;
		push_span(L, &span, since_1970);
		lua_rawseti(L, -2, i);
	}
	pthread_mutex_lock(&lock);
	lost = dropped;
	pthread_mutex_unlock(&lock);
	lua_pushinteger(L, (lua_Integer)lost);
	return 2;
}

static int spans_rate(lua_State *L) {
	if (lua_isnoneornil(L, 1)) {
		lua_pushnumber(L, (lua_Number)atomic_load(&chance) / 9223372036854775808.0);
		return 1;
	}
	lua_Number rate = luaL_checknumber(L, 1);
	luaL_argcheck(L, rate >= 0 && rate <= 1, 1, "a share from 0 to 1");
	pthread_mutex_lock(&lock);
	if (!ring && rate > 0)
		ring = reef_calloc(ROOM, sizeof *ring);
	pthread_mutex_unlock(&lock);
	atomic_store(&chance, rate >= 1 ? UINT64_C(1) << 63 : (uint64_t)(rate * 9223372036854775808.0));
	return 0;
}

int reef_open_spans(lua_State *L) {
	static const luaL_Reg functions[] = {{"drain", spans_drain}, {"rate", spans_rate}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
