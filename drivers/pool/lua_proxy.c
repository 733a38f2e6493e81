/* The Lua module `reef.pool.core`: the C half of a pool for reef.pool.service, which is its only user.
 *
 *   new(protocol, options) -> pool     one for each service; options: window, queue, queue_bytes, unsent, tombstones, limit, queue_timeout,
 *                                      stall, slow, routing ("any", "caller", "key")
 *   pool:set(options)  pool:accept(boolean)  pool:down([code, why])  pool:why(text)  pool:stat() -> table
 *   pool:wait(shared, idle) -> integer waits until a pinned connection is wanted (1) or, if asked for, a shared one (2),
 *                                      or nothing is to be done (4); the sum of what is so.  pool:poke() ends it
 *   pool:wanted() -> n, m              how many wait for a pinned connection, and for room on a shared one
 *   pool:new(pinned) -> n              a connection, from now on known by its number
 *   pool:connect(n, host, port, seconds, tls) -> true | nil, why    waits; tls: nil, or a target of reef.tls
 *   pool:ask(n, bytes, seconds) -> reply | nil, why             waits
 *   pool:open(n)  pool:lost(n) -> why (waits)  pool:retire(n)  pool:close(n, why)  pool:remove(n)  pool:info(n) -> table
 */
#include <lauxlib.h>
#include <string.h>

#include "connection.h"
#include "core/clock.h"
#include "core/histogram.h"
#include "core/host/lua_scheduler.h"
#include "core/host/name_check.h"
#include "lua_proxy.h"
#include "mongo.h"
#include "pin.h"
#include "proxy.h"
#include "queue.h"
#include "redis.h"
#include "socket/lua/lua_common.h"
#include "socket/lua/lua_tls.h"

#define POOL "reef.pool"

static struct reef_pool *check_pool(lua_State *L) {
	struct reef_pool **box = luaL_checkudata(L, 1, POOL);
	if (*box == NULL)
		luaL_error(L, "the pool has ended");
	return *box;
}

static struct reef_pool_connection *find_connection(lua_State *L, struct reef_pool *pool) {
	lua_Integer number = luaL_checkinteger(L, 2);
	struct reef_pool_connection *c = pool->connections;
	while (c && c->number != number)
		c = c->next;
	return c;
}

static struct reef_pool_connection *lua_pool_check_connection(lua_State *L, struct reef_pool *pool) {
	struct reef_pool_connection *c = find_connection(L, pool);
	if (c == NULL)
		luaL_error(L, "the pool has no connection %I", (LUAI_UACINT)lua_tointeger(L, 2));
	return c;
}

static uint64_t lua_pool_nanoseconds(lua_Number seconds) {
	return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0;
}

static lua_Number number_field(lua_State *L, int table, const char *name) {
	lua_getfield(L, table, name);
	lua_Number n = luaL_checknumber(L, -1);
	lua_pop(L, 1);
	return n > 0 ? n : 0;
}

static void read_options(lua_State *L, int table, struct reef_pool_options *options) {
	luaL_checktype(L, table, LUA_TTABLE);
	options->window = (size_t)number_field(L, table, "window");
	options->queue = (size_t)number_field(L, table, "queue");
	options->queue_bytes = (size_t)number_field(L, table, "queue_bytes");
	options->unsent = (size_t)number_field(L, table, "unsent");
	options->tombstones = (size_t)number_field(L, table, "tombstones");
	options->limit = (size_t)number_field(L, table, "limit");
	options->queue_ns = lua_pool_nanoseconds(number_field(L, table, "queue_timeout"));
	options->stall_ns = lua_pool_nanoseconds(number_field(L, table, "stall"));
	options->slow_ns = lua_pool_nanoseconds(number_field(L, table, "slow"));
	static const char *const routings[] = {"any", "caller", "key", NULL};
	lua_getfield(L, table, "routing");
	options->routing = luaL_checkoption(L, -1, NULL, routings);
	lua_pop(L, 1);
}

static int new_pool(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	static const struct reef_pool_protocol *const protocols[] = {&reef_pool_resp, &reef_pool_op_msg};
	const struct reef_pool_protocol *protocol = NULL;
	struct reef_pool_options options;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		if (strcmp(name, protocols[i]->name) == 0)
			protocol = protocols[i];
	}
	luaL_argcheck(L, protocol != NULL, 1, "no such protocol");
	read_options(L, 2, &options);
	struct reef_pool **box = lua_newuserdatauv(L, sizeof(struct reef_pool *), 0);
	*box = NULL;
	luaL_setmetatable(L, POOL);
	*box = reef_pool_new(reef_host_of(L), protocol, &options);
	return 1;
}

static int lua_pool_finalize(lua_State *L) {
	struct reef_pool **box = luaL_checkudata(L, 1, POOL);
	if (*box)
		reef_pool_delete(*box);
	*box = NULL;
	return 0;
}

static int pool_set(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	read_options(L, 2, &pool->options);
	for (struct reef_pool_connection *c = pool->connections; c; c = c->next)
		reef_pool_connection_configure(c);
	reef_pool_advance(pool);
	return 0;
}

static int pool_accept(lua_State *L) {
	check_pool(L)->accepting = lua_toboolean(L, 2);
	return 0;
}

static int pool_down(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	if (lua_isnoneornil(L, 2)) {
		reef_pool_set_down(pool, 0, NULL);
	} else {
		bool auth = strcmp(reef_check_name(L, 2), "auth") == 0;
		reef_pool_set_down(pool, auth ? REEF_POOL_CODE_AUTH : REEF_POOL_CODE_CONNECT, luaL_checkstring(L, 3));
	}
	return 0;
}

static int pool_why(lua_State *L) {
	reef_pool_set_why(check_pool(L), luaL_checkstring(L, 2));
	return 0;
}

static int pool_wait(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	int interest = REEF_POOL_WANT_PINNED;
	if (lua_toboolean(L, 2))
		interest |= REEF_POOL_WANT_SHARED;
	if (lua_toboolean(L, 3))
		interest |= REEF_POOL_IDLE;
	if (pool->watcher)
		return luaL_error(L, "somebody waits already");
	pool->events &= ~REEF_POOL_IDLE;
	pool->interest = interest;
	reef_pool_check_idle(pool);
	if (pool->events & interest) {
		lua_pushinteger(L, pool->events);
		pool->events = 0;
		return 1;
	}
	pool->watcher = reef_task_running(L);
	return reef_task_suspend(L, &pool->wait);
}

static int pool_poke(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	if (pool->watcher) {
		pool->interest = REEF_POOL_POKED;
		reef_pool_notify(pool, REEF_POOL_POKED);
	}
	return 0;
}

static int pool_wanted(lua_State *L) {
	const struct reef_pool *pool = check_pool(L);
	lua_pushinteger(L, (lua_Integer)pool->wanting.count);
	lua_pushinteger(L, (lua_Integer)pool->waiting);
	return 2;
}

/* ---- connections ---- */

static int pool_new_connection(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	lua_pushinteger(L, reef_pool_connection_new(pool, lua_toboolean(L, 2))->number);
	return 1;
}

static int pool_connect(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	struct reef_pool_connection *c = lua_pool_check_connection(L, pool);
	const char *host = reef_lua_common_host(L, 3);
	int port = (int)luaL_checkinteger(L, 4);
	uint64_t timeout = lua_pool_nanoseconds(luaL_checknumber(L, 5));
	const struct reef_tls_target *tls = reef_lua_tls_target(L, 6);
	struct reef_task *task = reef_task_running(L);
	uint64_t deadline = timeout ? reef_now_ns() + timeout : 0;
	const char *error = reef_channel_connect(&c->channel, task, host, port, deadline, tls);
	if (error) {
		lua_pushnil(L);
		lua_pushstring(L, error);
		return 2;
	}
	return reef_task_suspend(L, &c->channel.wait);
}

static int pool_ask(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	struct reef_pool_connection *c = lua_pool_check_connection(L, pool);
	size_t n;
	const char *bytes = luaL_checklstring(L, 3, &n);
	uint64_t timeout = lua_pool_nanoseconds(luaL_checknumber(L, 4));
	struct reef_task *task = reef_task_running(L);
	if (c->channel.state < REEF_CHANNEL_LOGIN) {
		lua_pushnil(L);
		lua_pushstring(L, c->channel.lost);
		return 2;
	}
	struct reef_pool_node *node = reef_pool_node_new(pool);
	node->kind = REEF_POOL_ASK;
	node->expect = 1;
	node->task = task;
	node->since_ns = reef_pool_now(pool);
	if (timeout)
		node->deadline_ns = node->since_ns + timeout;
	if (!reef_pool_connection_send(c, node, bytes, n)) {
		reef_pool_node_free(pool, node);
		return luaL_error(L, "not enough memory");
	}
	return reef_task_suspend(L, &c->channel.wait);
}

static int pool_open(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	struct reef_pool_connection *c = lua_pool_check_connection(L, pool);
	if (c->channel.state == REEF_CHANNEL_LOGIN) {
		c->channel.state = REEF_CHANNEL_OPEN;
		reef_pool_set_down(pool, 0, NULL);
		if (c->pinned)
			reef_pool_serve_wanting(pool);
		else
			reef_pool_advance(pool);
	}
	lua_pushboolean(L, c->channel.state == REEF_CHANNEL_OPEN);
	return 1;
}

static int pool_lost(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	struct reef_pool_connection *c = lua_pool_check_connection(L, pool);
	if (c->channel.state == REEF_CHANNEL_CLOSED) {
		lua_pushnil(L);
		lua_pushstring(L, c->channel.lost);
		return 2;
	}
	c->mourner = reef_task_running(L);
	return reef_task_suspend(L, &c->channel.wait);
}

static int pool_retire(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	struct reef_pool_connection *c = find_connection(L, pool);
	if (c && c->channel.state == REEF_CHANNEL_OPEN && !c->taken) {
		c->channel.state = REEF_CHANNEL_DRAINING;
		if (pool->batching == c)
			pool->batching = NULL;
		if (c->flying.head == NULL)
			reef_pool_connection_close(c, REEF_CHANNEL_GIVEN_UP, "it was retired");
	}
	return 0;
}

static int pool_close(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	struct reef_pool_connection *c = find_connection(L, pool);
	if (c)
		reef_pool_connection_close(c, REEF_CHANNEL_GIVEN_UP, luaL_checkstring(L, 3));
	return 0;
}

static int pool_remove(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	struct reef_pool_connection *c = find_connection(L, pool);
	if (c)
		reef_pool_connection_delete(c);
	return 0;
}

static void lua_pool_set_integer(lua_State *L, const char *name, uint64_t value) {
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, uint64_t ns) {
	lua_pushnumber(L, (lua_Number)ns / 1e9);
	lua_setfield(L, -2, name);
}

static void push_connection(lua_State *L, const struct reef_pool_connection *c, uint64_t now) {
	static const char *const states[] = {"closed", "connecting", "login", "open", "draining"};
	lua_createtable(L, 0, 12);
	lua_pool_set_integer(L, "number", c->number);
	lua_pushstring(L, states[c->channel.state]);
	lua_setfield(L, -2, "state");
	lua_pushboolean(L, c->pinned);
	lua_setfield(L, -2, "pinned");
	lua_pushboolean(L, c->taken);
	lua_setfield(L, -2, "taken");
	lua_pool_set_integer(L, "in_flight", c->flying.count);
	lua_pool_set_integer(L, "tombstones", c->tombstones);
	lua_pool_set_integer(L, "requests", c->requests);
	lua_pool_set_integer(L, "unsent", reef_channel_unsent(&c->channel));
	lua_pool_set_integer(L, "unread", c->in_size);
	lua_pool_set_integer(L, "bytes_out", c->channel.bytes_out);
	lua_pool_set_integer(L, "bytes_in", c->channel.bytes_in);
	set_seconds(L, "age", c->channel.state >= REEF_CHANNEL_LOGIN ? now - c->channel.opened_ns : 0);
	set_seconds(L, "idle", c->channel.state >= REEF_CHANNEL_LOGIN && now > c->used_ns ? now - c->used_ns : 0);
	set_seconds(L, "silent",
				c->channel.state >= REEF_CHANNEL_LOGIN && now > c->channel.heard_ns ? now - c->channel.heard_ns : 0);
	lua_pushstring(L, c->channel.lost);
	lua_setfield(L, -2, "lost");
}

static int pool_info(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	const struct reef_pool_connection *c = find_connection(L, pool);
	if (c == NULL)
		return 0;
	push_connection(L, c, reef_now_ns());
	return 1;
}

static void set_quantiles(lua_State *L, const char *name, const struct reef_histogram *histogram) {
	static const struct {
		const char *name;
		double quantile;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
	lua_createtable(L, 0, 9);
	lua_pool_set_integer(L, "count", reef_counter_get(&histogram->count));
	reef_lua_set_histogram(L, &histogram, 1);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++)
		set_seconds(L, quantiles[i].name, reef_histogram_quantile(histogram, quantiles[i].quantile));
	lua_setfield(L, -2, name);
}

static int pool_stat(lua_State *L) {
	struct reef_pool *pool = check_pool(L);
	const struct reef_pool_counters *n = &pool->counters;
	uint64_t now = reef_now_ns();
	lua_createtable(L, 0, 24);
	lua_pool_set_integer(L, "requests", n->requests);
	lua_pool_set_integer(L, "replies", n->replies);
	lua_pool_set_integer(L, "rejected", n->rejected);
	lua_pool_set_integer(L, "overload", n->overload);
	lua_pool_set_integer(L, "timeouts", n->timeouts);
	lua_pool_set_integer(L, "lost", n->lost);
	lua_pool_set_integer(L, "refused", n->refused);
	lua_pool_set_integer(L, "late", n->late);
	lua_pool_set_integer(L, "cancelled", n->cancelled);
	lua_pool_set_integer(L, "slow", n->slow);
	lua_pool_set_integer(L, "bytes_out", n->bytes_out);
	lua_pool_set_integer(L, "bytes_in", n->bytes_in);
	lua_pool_set_integer(L, "connects", n->connects);
	lua_pool_set_integer(L, "wills", pool->wills.count);
	lua_pool_set_integer(L, "in_flight", pool->flying);
	lua_pool_set_integer(L, "queued", pool->waiting + pool->wanting.count);
	lua_pool_set_integer(L, "queued_bytes", pool->waiting_bytes);
	lua_pushboolean(L, pool->down);
	lua_setfield(L, -2, "down");
	lua_pushboolean(L, pool->accepting);
	lua_setfield(L, -2, "accepting");
	set_quantiles(L, "time", &pool->total);
	set_quantiles(L, "queue_time", &pool->queued);
	lua_newtable(L);
	lua_Integer i = 0;
	for (const struct reef_pool_connection *c = pool->connections; c; c = c->next) {
		push_connection(L, c, now);
		lua_rawseti(L, -2, ++i);
	}
	lua_setfield(L, -2, "connections");
	return 1;
}

static int open_proxy(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"set", pool_set},         {"accept", pool_accept}, {"down", pool_down},
			{"why", pool_why},         {"wait", pool_wait},     {"new", pool_new_connection},
			{"connect", pool_connect}, {"ask", pool_ask},       {"open", pool_open},
			{"lost", pool_lost},       {"retire", pool_retire}, {"close", pool_close},
			{"remove", pool_remove},   {"poke", pool_poke},     {"wanted", pool_wanted},
			{"info", pool_info},       {"stat", pool_stat},     {NULL, NULL},
	};
	static const luaL_Reg functions[] = {{"new", new_pool}, {NULL, NULL}};
	luaL_newmetatable(L, POOL);
	lua_pushcfunction(L, lua_pool_finalize);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}

void reef_pool_setup(void) {
	reef_host_preload("reef.pool.core", open_proxy);
	reef_pool_redis_setup();
	reef_pool_mongo_setup();
}
