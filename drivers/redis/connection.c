/* See connection.h: what a channel that speaks RESP does. What becomes of replies is in deliver.c. */
#include "connection.h"

#include <lauxlib.h>

#include "core/alloc.h"
#include "deliver.h"

static void fail(struct reef_requests *r, struct reef_task *task, const struct reef_failure *failure) {
	reef_failure_push(r->build, r->failure, reef_task_thread(task), failure);
	reef_task_wake_fail(task);
}

static void dropped(struct reef_requests *r, struct reef_request *request) {
	luaL_unref(r->build, LUA_REGISTRYINDEX, request->ref);
}

static void tell_overload(struct reef_redis_connection *c, bool on) {
	lua_State *L = c->requests.build;
	if (c->overloaded == on)
		return;
	c->overloaded = on;
	if (c->overload == LUA_NOREF)
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->overload);
	lua_pushboolean(L, on);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK)
		lua_pop(L, 1);
}

static void redis_opened(struct reef_channel *channel) {
	struct reef_redis_connection *c = (struct reef_redis_connection *)channel;
	reef_redis_reader_init(&c->reader, &c->limits);
	c->paused = false;
	tell_overload(c, false);
}

static void redis_warned(struct reef_channel *channel, size_t bytes) {
	tell_overload((struct reef_redis_connection *)channel, bytes > 0);
}

static void redis_refused(struct reef_channel *channel, struct reef_task *task, enum reef_channel_end end) {
	(void)end;
	lua_pushnil(reef_task_thread(task));
	lua_pushstring(reef_task_thread(task), channel->lost);
	reef_task_wake(task, 2);
}

static void redis_ended(struct reef_channel *channel, enum reef_channel_end end, uint64_t sent) {
	struct reef_redis_connection *c = (struct reef_redis_connection *)channel;
	reef_requests_end(&c->requests, end, sent);
	if (!channel->delivering)
		reef_redis_connection_forget_input(c);
}

static void redis_release(struct reef_channel *channel) {
	struct reef_redis_connection *c = (struct reef_redis_connection *)channel;
	reef_requests_fini(&c->requests);
	reef_free(c);
}

static const struct reef_channel_protocol channel_protocol = {
		.connecting = "redis connect",
		.room = reef_redis_room,
		.data = reef_redis_deliver,
		.opened = redis_opened,
		.refused = redis_refused,
		.ended = redis_ended,
		.cancelled = reef_requests_cancelled,
		.warned = redis_warned,
		.release = redis_release,
};

static const struct reef_requests_protocol requests_protocol = {
		.codes = {"closed", "closed", "timeout", "protocol", "closed"},
		.name = "redis",
		.listening = "message",
		.fail = fail,
		.dropped = dropped,
};

struct reef_redis_connection *reef_redis_connection_new(lua_State *L) {
	struct reef_redis_connection *c = reef_calloc(1, sizeof(*c));
	reef_requests_init(&c->requests, L, &channel_protocol, &requests_protocol);
	c->overload = c->queue = LUA_NOREF;
	return c;
}

void reef_redis_connection_forget_input(struct reef_redis_connection *c) {
	reef_redis_reader_fini(&c->reader);
	lua_settop(c->requests.build, 0);
}

const char *reef_redis_connection_refusal(struct reef_redis_connection *c) {
	return reef_channel_is_full(&c->requests.channel) ? "the server does not read: too many bytes wait to be sent" : "";
}
