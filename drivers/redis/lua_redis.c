/* The Lua module `reef.redis.core`: connections and handles for reef.redis.
 *
 *   connection(failure, overload, limits) -> c    failure(code, outcome, command, waited, why, in_flight, unsent) -> error
 *   c:connect(host, port, seconds, tls) -> true | nil, text    waits; port < 0: a Unix socket's path; tls: nil, or a
 *                                                              target of reef.tls
 *   c:ready()  c:retire()  c:close([text])  c:state() -> "closed" ...  c:bound(n)  c:stream()  c:message([seconds]) -> table
 *   c:info() -> table
 *   handle(c, seconds, login, objects, bound, connect) -> db[1]
 *   command, pipeline, send, inspect, doubtful: see command.h
 *   classify(name [, word]) -> string     harmless(name [, word]) -> boolean     word: the first argument; see special.h
 *   task() -> lightuserdata, serial     alive(task, serial) -> boolean
 *   slot(key) -> integer                 of Redis Cluster; see slot.h
 *   sha1(text) -> hexadecimal digits     partial(t): metamethods for lists with errors inside, see reply.h
 */
#include <limits.h>

#include <lauxlib.h>
#include <lua.h>
#include <openssl/sha.h>

#include "command.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/host/name_check.h"
#include "harmless.h"
#include "lua_redis.h"
#include "messages.h"
#include "slot.h"
#include "socket/lua/lua_common.h"
#include "socket/lua/lua_tls.h"
#include "special.h"

#define CONNECTION "reef.redis.connection"
#define HANDLE "reef.redis.handle"

static struct reef_redis_connection *lua_redis_check_connection(lua_State *L, int index) {
	struct reef_redis_connection **box = luaL_checkudata(L, index, CONNECTION);
	luaL_argcheck(L, *box != NULL, index, "this connection was collected");
	return *box;
}

static size_t lua_redis_limit(lua_State *L, int table, const char *name, size_t fallback) {
	lua_getfield(L, table, name);
	lua_Integer n = luaL_optinteger(L, -1, (lua_Integer)fallback);
	lua_pop(L, 1);
	if (n < 0)
		luaL_error(L, "redis: the limit '%s' has to be a number of at least 0", name);
	return (size_t)n;
}

static uint64_t lua_redis_nanoseconds(lua_State *L, int index) {
	lua_Number seconds = luaL_optnumber(L, index, 0);
	return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0;
}

static int new_connection(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	luaL_checktype(L, 3, LUA_TTABLE);
	struct reef_redis_limits limits = {
			.reply = lua_redis_limit(L, 3, "reply", 512u << 20),
			.elements = lua_redis_limit(L, 3, "elements", 1u << 24),
			.depth = (int)lua_redis_limit(L, 3, "depth", 64),
	};
	size_t tombstones = lua_redis_limit(L, 3, "tombstones", 128), unsent = lua_redis_limit(L, 3, "unsent", 64u << 20);
	size_t queue = lua_redis_limit(L, 3, "queue", 65536), queue_bytes = lua_redis_limit(L, 3, "queue_bytes", 16u << 20);
	struct reef_redis_connection **box = lua_newuserdatauv(L, sizeof(struct reef_redis_connection *), 1);
	*box = NULL;
	lua_State *build = lua_newthread(L);
	lua_setiuservalue(L, -2, 1);
	*box = reef_redis_connection_new(L);
	luaL_setmetatable(L, CONNECTION);
	struct reef_redis_connection *c = *box;
	c->requests.build = build;
	c->limits = limits;
	c->requests.max_tombstones = tombstones;
	c->requests.channel.max_unsent = unsent;
	c->max_queue = queue;
	c->max_queue_bytes = queue_bytes;
	lua_pushvalue(L, 1);
	c->requests.failure = luaL_ref(L, LUA_REGISTRYINDEX);
	if (!lua_isnoneornil(L, 2)) {
		lua_pushvalue(L, 2);
		c->overload = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	return 1;
}

static int lua_redis_finalize(lua_State *L) {
	struct reef_redis_connection **box = luaL_checkudata(L, 1, CONNECTION);
	struct reef_redis_connection *c = *box;
	if (c && c->requests.channel.delivering) {
		/* The values are being made on a stack that lives as long as this: next time. */
		luaL_setmetatable(L, CONNECTION);
		return 0;
	}
	*box = NULL;
	if (c) {
		reef_channel_close(&c->requests.channel, REEF_CHANNEL_GIVEN_UP, "the connection is no longer used");
		luaL_unref(L, LUA_REGISTRYINDEX, c->requests.failure);
		luaL_unref(L, LUA_REGISTRYINDEX, c->overload);
		luaL_unref(L, LUA_REGISTRYINDEX, c->queue);
		c->requests.failure = c->overload = c->queue = LUA_NOREF; /* handles may still have it */
		reef_channel_unref(&c->requests.channel);
	}
	return 0;
}

static int connection_connect(lua_State *L) {
	struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	const char *host = reef_lua_common_host(L, 2);
	int port = (int)luaL_checkinteger(L, 3);
	uint64_t timeout = lua_redis_nanoseconds(L, 4);
	const struct reef_tls_target *tls = reef_lua_tls_target(L, 5);
	struct reef_task *task = reef_task_running(L);
	uint64_t deadline = timeout > 0 ? reef_now_ns() + timeout : 0;
	const char *error = reef_channel_connect(&c->requests.channel, task, host, port, deadline, tls);
	if (error) {
		lua_pushnil(L);
		lua_pushstring(L, error);
		return 2;
	}
	return reef_task_suspend(L, &c->requests.channel.wait);
}

static int connection_ready(lua_State *L) {
	struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	if (c->requests.channel.state == REEF_CHANNEL_LOGIN)
		c->requests.channel.state = REEF_CHANNEL_OPEN;
	lua_pushboolean(L, c->requests.channel.state == REEF_CHANNEL_OPEN);
	return 1;
}

/* What was asked is answered; nothing else is sent. */
static int connection_retire(lua_State *L) {
	struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	if (c->requests.channel.state == REEF_CHANNEL_OPEN)
		c->requests.channel.state = REEF_CHANNEL_LOGIN;
	return 0;
}

static int connection_close(lua_State *L) {
	struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	reef_channel_close(&c->requests.channel, REEF_CHANNEL_GIVEN_UP,
					   luaL_optstring(L, 2, "the connection was closed here"));
	return 0;
}

static int connection_state(lua_State *L) {
	static const char *const names[] = {"closed", "connecting", "login", "open"};
	lua_pushstring(L, names[lua_redis_check_connection(L, 1)->requests.channel.state]);
	return 1;
}

static int connection_bound(lua_State *L) {
	lua_redis_check_connection(L, 1)->bound = (int)luaL_checkinteger(L, 2);
	return 0;
}

static int connection_stream(lua_State *L) {
	struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	if (c->queue == LUA_NOREF) {
		lua_newtable(L);
		c->queue = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	c->stream = lua_toboolean(L, 2);
	return 0;
}

static int connection_message(lua_State *L) {
	struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	if (reef_redis_messages_take(c, L))
		return 1;
	if (c->requests.channel.state != REEF_CHANNEL_OPEN)
		return 0;
	if (c->requests.listener)
		return luaL_error(L, "redis: another coroutine waits for a message already");
	struct reef_task *task = reef_task_running(L);
	reef_requests_listen(&c->requests, task, lua_redis_nanoseconds(L, 2));
	return reef_task_suspend(L, &c->requests.channel.wait);
}

static void set_count(lua_State *L, const char *name, uint64_t n) {
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, name);
}

static int connection_info(lua_State *L) {
	const struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	const struct reef_requests *r = &c->requests;
	lua_createtable(L, 0, 12);
	set_count(L, "in_flight", r->pending.requests - r->pending.tombstones);
	set_count(L, "tombstones", r->pending.tombstones);
	set_count(L, "unsent", reef_channel_unsent(&r->channel));
	set_count(L, "requests", r->asked);
	set_count(L, "replies", r->answered);
	set_count(L, "late", r->late);
	set_count(L, "queued", (uint64_t)(c->queue_tail - c->queue_head));
	set_count(L, "queued_bytes", c->queue_bytes);
	set_count(L, "heard_at", r->channel.heard_ns);
	set_count(L, "lost_at", r->channel.lost_ns);
	lua_pushstring(L, r->channel.lost);
	lua_setfield(L, -2, "lost");
	return 1;
}

static int lua_redis_new_handle(lua_State *L) {
	struct reef_redis_connection *c = lua_redis_check_connection(L, 1);
	uint64_t timeout = lua_redis_nanoseconds(L, 2);
	struct reef_redis_handle *handle = reef_redis_handle_new(L);
	reef_channel_ref(&c->requests.channel);
	handle->connection = c;
	luaL_setmetatable(L, HANDLE);
	handle->timeout_ns = timeout;
	handle->state = lua_toboolean(L, 3) ? REEF_CHANNEL_LOGIN : REEF_CHANNEL_OPEN;
	return 1;
}

/* The connection's userdata may be finalized before this one: so both count on it. */
static int finalize_handle(lua_State *L) {
	luaL_checkudata(L, 1, HANDLE);
	struct reef_redis_handle *handle = reef_redis_handle_at(L, 1);
	if (handle != NULL) {
		handle->tag = NULL;
		reef_channel_unref(&handle->connection->requests.channel);
		handle->connection = NULL;
	}
	return 0;
}

static int classify(lua_State *L) {
	size_t size;
	const char *name = luaL_checklstring(L, 1, &size);
	enum reef_redis_class what = reef_redis_classify(name, size);
	if (what == REEF_REDIS_CONTAINER && !lua_isnoneornil(L, 2))
		what = reef_redis_classify_part(name, luaL_checkstring(L, 2));
	lua_pushstring(L, reef_redis_class_name(what));
	return 1;
}

static int harmless(lua_State *L) {
	lua_pushboolean(L, reef_redis_is_harmless(luaL_checkstring(L, 1), luaL_optstring(L, 2, NULL)));
	return 1;
}

static int current_task(lua_State *L) {
	struct reef_task *task = reef_task_running(L);
	lua_pushlightuserdata(L, task);
	lua_pushinteger(L, (lua_Integer)reef_task_serial(task));
	return 2;
}

static int alive(lua_State *L) {
	luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	lua_pushboolean(L, reef_task_alive(reef_host_of(L), lua_touserdata(L, 1), (uint64_t)luaL_checkinteger(L, 2)));
	return 1;
}

/* partial(t): `__tostring` and `__index` for lists of replies with errors inside. */
static int partial(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, REEF_REDIS_PARTIAL);
	return 0;
}

/* Scripts are known to the server by the SHA-1 of their text. */
static int sha1(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	unsigned char digest[SHA_DIGEST_LENGTH];
	char hex[2 * SHA_DIGEST_LENGTH];
	SHA1((const unsigned char *)text, size, digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	lua_pushlstring(L, hex, sizeof(hex));
	return 1;
}

static int key_slot(lua_State *L) {
	size_t size;
	const char *key = luaL_tolstring(L, 1, &size);
	lua_pushinteger(L, reef_redis_slot(key, size));
	return 1;
}

static int open_redis(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"connect", connection_connect}, {"ready", connection_ready},
			{"retire", connection_retire},   {"close", connection_close},
			{"state", connection_state},     {"bound", connection_bound},
			{"stream", connection_stream},   {"message", connection_message},
			{"info", connection_info},       {NULL, NULL},
	};
	static const luaL_Reg functions[] = {
			{"connection", new_connection},
			{"handle", lua_redis_new_handle},
			{"command", reef_redis_new_command},
			{"pipeline", reef_redis_pipeline},
			{"send", reef_redis_send},
			{"classify", classify},
			{"harmless", harmless},
			{"doubtful", reef_redis_doubtful},
			{"task", current_task},
			{"alive", alive},
			{"inspect", reef_redis_inspect},
			{"partial", partial},
			{"sha1", sha1},
			{"slot", key_slot},
			{NULL, NULL},
	};
	luaL_newmetatable(L, HANDLE);
	lua_pushcfunction(L, finalize_handle);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newmetatable(L, CONNECTION);
	lua_pushcfunction(L, lua_redis_finalize);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}

void reef_redis_setup(void) {
	reef_host_preload("reef.redis.core", open_redis);
	reef_host_add_harmless(reef_redis_new_command);
	reef_host_add_harmless(partial);
}
