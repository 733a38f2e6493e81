/* A debugger's channel: see lua_debugchannel.h.
 *
 * The console makes a channel and gives its address to the service that it debugs. Both hold it through a userdata; the
 * last one frees it. The reader may block its thread for a while: that is what being stopped in a debugger means.
 */
#include "lua_debugchannel.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "core/alloc.h"

#define CHANNEL "reef.debugchannel"

struct line {
	struct line *next;
	size_t size;
	char text[];
};

struct channel {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t filled;
	struct line *first, **last;
	int references; /* userdata that hold it; with `next` guarded by the lock of the list */
	struct channel *next;
};

/* All that are alive: an address that went through Lua is looked at if it is one of them. */
static struct {
	pthread_mutex_t lock;
	struct channel *first;
} channels = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void line_delete_all(struct line *line) {
	while (line) {
		struct line *next = line->next;
		reef_free(line);
		line = next;
	}
}

static struct channel **push_holder(lua_State *L) {
	struct channel **holder = lua_newuserdatauv(L, sizeof(struct channel *), 0);
	*holder = NULL;
	luaL_setmetatable(L, CHANNEL);
	return holder;
}

static struct channel *check_channel(lua_State *L) {
	struct channel *c = *(struct channel **)luaL_checkudata(L, 1, CHANNEL);
	luaL_argcheck(L, c != NULL, 1, "this channel was collected");
	return c;
}

/* create() -> channel, address to connect the other side with (once, while this side is alive) */
static int channel_create(lua_State *L) {
	struct channel **holder = push_holder(L);
	struct channel *c = reef_calloc(1, sizeof(*c));
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->filled, &attributes);
	pthread_condattr_destroy(&attributes);
	c->last = &c->first;
	c->references = 1;
	pthread_mutex_lock(&channels.lock);
	c->next = channels.first;
	channels.first = c;
	pthread_mutex_unlock(&channels.lock);
	*holder = c;
	lua_pushlightuserdata(L, c);
	return 2;
}

/* connect(address) -> channel */
static int channel_connect(lua_State *L) {
	luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	struct channel **holder = push_holder(L);
	pthread_mutex_lock(&channels.lock);
	struct channel *c = channels.first;
	while (c && c != lua_touserdata(L, 1))
		c = c->next;
	if (c)
		c->references++;
	pthread_mutex_unlock(&channels.lock);
	luaL_argcheck(L, c != NULL, 1, "no channel of a living debugger");
	*holder = c;
	return 1;
}

static int channel_gc(lua_State *L) {
	struct channel **holder = luaL_checkudata(L, 1, CHANNEL);
	struct channel *c = *holder;
	if (!c) {
		return 0;
	}
	*holder = NULL;
	pthread_mutex_lock(&channels.lock);
	int left = --c->references;
	struct channel **at = &channels.first;
	while (left == 0 && *at != c)
		at = &(*at)->next;
	if (left == 0)
		*at = c->next;
	pthread_mutex_unlock(&channels.lock);
	if (left == 0) {
		line_delete_all(c->first);
		pthread_cond_destroy(&c->filled);
		pthread_mutex_destroy(&c->lock);
		reef_free(c);
	}
	return 0;
}

/* channel:write(line) */
static int channel_write(lua_State *L) {
	struct channel *c = check_channel(L);
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	struct line *line = reef_try_malloc(sizeof(*line) + size);
	if (line == NULL)
		return luaL_error(L, "not enough memory");
	line->next = NULL;
	line->size = size;
	memcpy(line->text, text, size);
	pthread_mutex_lock(&c->lock);
	*c->last = line;
	c->last = &line->next;
	pthread_cond_signal(&c->filled);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* channel:read([milliseconds]) -> line, or nil when none came in time; 0, the default, does not wait */
static int channel_read(lua_State *L) {
	struct channel *c = check_channel(L);
	lua_Integer wait = luaL_optinteger(L, 2, 0);
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += (time_t)(wait / 1000);
	deadline.tv_nsec += (long)(wait % 1000) * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&c->lock);
	while (!c->first && wait > 0 && pthread_cond_timedwait(&c->filled, &c->lock, &deadline) == 0) {
	}
	struct line *line = c->first;
	if (line) {
		c->first = line->next;
		if (!c->first) {
			c->last = &c->first;
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (!line) {
		return 0;
	}
	lua_pushlstring(L, line->text, line->size);
	reef_free(line);
	return 1;
}

int reef_open_debugchannel(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"write", channel_write},
			{"read", channel_read},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {
			{"create", channel_create},
			{"connect", channel_connect},
			{NULL, NULL},
	};
	if (luaL_newmetatable(L, CHANNEL)) {
		luaL_newlib(L, methods);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, channel_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
