/* The Lua module `reef.mongo.core`: connections for reef.mongo.
 *
 *   connection(failure) -> c               failure(code, outcome, command, waited, why) -> error object
 *   c:connect(host, port, seconds, tls) -> true | nil, error   waits; port < 0: a Unix socket's path; tls: nil, or a
 *                                                              target of reef.tls
 *   c:request(seconds, flags, command, identifier, documents, body...) -> reply | nil, error     waits
 *       flags: "" or some of "x" exact values, "b" a cursor's batch as object (batch.h), "e" exhaust allowed
 *       body: one document, or keys and values in turn, or a list of such
 *       identifier, documents: nil, or a section of documents (a list or a batch) beside the body
 *   c:send(command, identifier, documents, body...)        no reply is asked for; true: accepted
 *   c:receive(seconds) -> reply | nil, error               the next reply of a stream; waits
 *   batch(documents, first, bytes, count, data) -> batch, next   as many of them, from `first` on, as stay within the
 *       limits (one at least), encoded; where to go on. data: they are documents to be stored, not statements
 *   identify(documents) -> ids     each `_id`, an object id for those that had none
 *   extend(list, ...) -> list      another one with what is in the list and behind it, and room for some more
 *   release(batch)        it is not used any more; without this the collector frees it, who does not know how large it is
 *   shape(fields) -> check   what a document has to be like (shape.h)
 *   c:compress(name, level)      requests are compressed from now on; level: of zlib
 *   next(batch, [owner])         what batch:next is (batch.h), for who calls it for each document
 *   compressors() -> names        that were there when this was built, the best first
 *   deflate(message, name) -> bytes   inflate(bytes) -> message | nil, error     for whoever plays a server
 *   c:streaming() -> boolean   c:state() -> "new" ...   c:doubtful() -> boolean   c:pending() -> n   c:close([text])
 */
#include "lua_mongo.h"

#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "batch.h"
#include "connection.h"
#include "core/clock.h"
#include "core/host/name_check.h"
#include "drivers/bson/decode.h"
#include "drivers/bson/format.h"
#include "drivers/bson/lua_writer.h"
#include "lists.h"
#include "message.h"
#include "shape.h"
#include "socket/lua/lua_common.h"
#include "socket/lua/lua_tls.h"

#define CONNECTION "reef.mongo.connection"
#define MAX_UNSENT (64 << 20) /* bytes; a message has up to 48,000,000 */

static struct reef_mongo_connection *check_connection(lua_State *L) {
	struct reef_mongo_connection **box = luaL_checkudata(L, 1, CONNECTION);
	luaL_argcheck(L, *box != NULL, 1, "this connection was collected");
	return *box;
}

/* 0: no deadline. What is over already is not quite 0. */
static uint64_t nanoseconds(lua_State *L, int index) {
	if (lua_isnoneornil(L, index)) {
		return 0;
	}
	lua_Number seconds = luaL_checknumber(L, index);
	return seconds <= 0 ? 1 : seconds < 1e9 ? (uint64_t)(seconds * 1e9) + 1 : 0;
}

static int mongo_new_connection(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	struct reef_mongo_connection **box = lua_newuserdatauv(L, sizeof(struct reef_mongo_connection *), 1);
	*box = NULL;
	lua_State *build = lua_newthread(L);
	lua_setiuservalue(L, -2, 1);
	*box = reef_mongo_connection_new(L);
	luaL_setmetatable(L, CONNECTION);
	(*box)->requests.build = build;
	(*box)->requests.channel.max_unsent = MAX_UNSENT;
	lua_pushvalue(L, 1);
	(*box)->requests.failure = luaL_ref(L, LUA_REGISTRYINDEX);
	return 1;
}

static int mongo_connection_gc(lua_State *L) {
	struct reef_mongo_connection **box = luaL_checkudata(L, 1, CONNECTION);
	struct reef_mongo_connection *c = *box;
	if (c != NULL && c->requests.channel.delivering) {
		/* The values are being made on a stack that lives as long as this: next time. */
		luaL_setmetatable(L, CONNECTION);
		return 0;
	}
	*box = NULL;
	if (c != NULL) {
		reef_channel_close(&c->requests.channel, REEF_CHANNEL_GIVEN_UP, "the connection is no longer used");
		luaL_unref(L, LUA_REGISTRYINDEX, c->requests.failure);
		luaL_unref(L, LUA_REGISTRYINDEX, c->stream_early);
		reef_channel_unref(&c->requests.channel);
	}
	return 0;
}

/* Pushes nil and the error object for something that could not be sent at all. */
static int refuse(lua_State *L, struct reef_mongo_connection *c, const char *code, const char *command,
				  const char *why) {
	const struct reef_requests *r = &c->requests;
	const struct reef_failure failure = {
			.code = code,
			.outcome = "not sent",
			.command = command,
			.why = why,
			.in_flight = r->pending.requests - r->pending.tombstones,
			.unsent = reef_channel_unsent(&r->channel),
	};
	lua_pushnil(L);
	reef_failure_push(r->build, r->failure, L, &failure);
	return 2;
}

/* Why nothing can be sent now; NULL: it can. */
static const char *refusal(struct reef_mongo_connection *c) {
	struct reef_channel *channel = &c->requests.channel;
	if (channel->state != REEF_CHANNEL_OPEN) {
		return channel->lost[0] != 0 ? channel->lost : "not connected";
	}
	return reef_channel_is_full(channel) ? "the server does not read: too many bytes wait to be sent" : NULL;
}

static int mongo_connect(lua_State *L) {
	struct reef_mongo_connection *c = check_connection(L);
	const char *host = reef_lua_common_host(L, 2);
	int port = (int)luaL_checkinteger(L, 3);
	uint64_t timeout = nanoseconds(L, 4);
	const struct reef_tls_target *tls = reef_lua_tls_target(L, 5);
	struct reef_task *task = reef_task_running(L);
	uint64_t deadline = timeout > 0 ? reef_now_ns() + timeout : 0;
	struct reef_channel *channel = &c->requests.channel;
	const char *error = channel->incarnation > 0 ? "the connection was used before"
												 : reef_channel_connect(channel, task, host, port, deadline, tls);
	return error == NULL ? reef_task_suspend(L, &channel->wait) : refuse(L, c, "network", "connect", error);
}

/* Sends a message from the arguments at `index`: identifier, documents, body. Nothing is sent if this raises. */
static size_t send_message(lua_State *L, struct reef_mongo_connection *c, const char *command, int index, int32_t id,
						   uint32_t flags) {
	struct reef_writer *w = reef_mongo_message_write(L, 0, index, id, flags);
	size_t size = w->size;
	if (!reef_mongo_connection_send(c, w, command)) {
		luaL_error(L, "mongo: no memory for a message");
	}
	return size;
}

static int mongo_request(lua_State *L) {
	struct reef_mongo_connection *c = check_connection(L);
	uint64_t timeout = nanoseconds(L, 2);
	unsigned decode;
	uint32_t flags = reef_mongo_message_read_flags(reef_check_name(L, 3), &decode);
	const char *command = reef_mongo_message_lasting(L, 4);
	luaL_checkany(L, 7);
	struct reef_task *task = reef_task_running(L);
	const char *why = refusal(c);
	if (why != NULL) {
		return refuse(L, c, "network", command, why);
	}
	int32_t id = reef_mongo_message_next_id();
	size_t size = send_message(L, c, command, 5, id, flags);
	struct reef_request *r = reef_requests_add(&c->requests, task, command, 1, size, timeout);
	r->ref = id;
	r->kind = (int)decode;
	return reef_task_suspend(L, &r->wait);
}

static int mongo_send(lua_State *L) {
	struct reef_mongo_connection *c = check_connection(L);
	reef_check_name(L, 2);
	luaL_checkany(L, 5);
	const char *why = refusal(c);
	if (why != NULL) {
		return refuse(L, c, "network", lua_tostring(L, 2), why);
	}
	send_message(L, c, lua_tostring(L, 2), 3, reef_mongo_message_next_id(), REEF_WIRE_MORE_TO_COME);
	lua_pushboolean(L, true);
	return 1;
}

static int mongo_receive(lua_State *L) {
	struct reef_mongo_connection *c = check_connection(L);
	uint64_t timeout = nanoseconds(L, 2);
	struct reef_task *task = reef_task_running(L);
	if (c->stream_early != LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, c->stream_early);
		lua_getglobal(L, "table");
		lua_getfield(L, -1, "remove");
		lua_pushvalue(L, -3);
		lua_pushinteger(L, 1);
		lua_call(L, 2, 1);
		if (!lua_isnil(L, -1)) {
			return 1;
		}
	}
	if (refusal(c) != NULL || c->stream == 0) {
		return refuse(L, c, "network", "hello", "no stream of replies");
	}
	if (c->requests.listener != NULL) {
		return luaL_error(L, "mongo: another coroutine waits for a reply already");
	}
	reef_requests_listen(&c->requests, task, timeout);
	return reef_task_suspend(L, &c->requests.channel.wait);
}

static int mongo_compress(lua_State *L) {
	struct reef_mongo_connection *c = check_connection(L);
	c->compressor = reef_compress_find(luaL_checkstring(L, 2));
	luaL_argcheck(L, c->compressor != REEF_COMPRESS_NONE, 2, "there is no such compressor");
	c->level = (int)luaL_optinteger(L, 3, -1);
	return 0;
}

static int mongo_compressors(lua_State *L) {
	const char *const *names = reef_compress_names();
	lua_newtable(L);
	for (lua_Integer i = 0; names[i] != NULL; i++) {
		lua_pushstring(L, names[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* For whoever plays a server: a message as it would be sent, and as it was before. */
static int mongo_deflate(lua_State *L) {
	size_t n;
	const char *message = luaL_checklstring(L, 1, &n);
	enum reef_compressor how = reef_compress_find(luaL_checkstring(L, 2));
	luaL_argcheck(L, n >= REEF_WIRE_HEADER, 1, "no message");
	struct reef_writer *w = reef_lua_writer_borrow(L, 2 * (size_t)REEF_WIRE_MAX);
	if (!reef_compress_message(w, (const uint8_t *)message, n, how, -1)) {
		return luaL_error(L, "mongo: no memory for a message");
	}
	lua_pushlstring(L, (const char *)w->data, w->size);
	reef_lua_writer_return(L, lua_gettop(L) - 1);
	return 1;
}

static int mongo_inflate(lua_State *L) {
	size_t n;
	const char *message = luaL_checklstring(L, 1, &n);
	struct reef_writer *w = reef_lua_writer_borrow(L, 2 * (size_t)REEF_WIRE_MAX);
	const char *why = reef_compress_expand(w, (const uint8_t *)message, n);
	if (why != NULL) {
		lua_pushnil(L);
		lua_pushstring(L, why);
		return 2;
	}
	lua_pushlstring(L, (const char *)w->data, w->size);
	reef_lua_writer_return(L, lua_gettop(L) - 1);
	return 1;
}

static int mongo_streaming(lua_State *L) {
	lua_pushboolean(L, check_connection(L)->stream != 0);
	return 1;
}

static int mongo_state(lua_State *L) {
	static const char *const names[] = {"closed", "connecting", "login", "open"};
	const struct reef_channel *channel = &check_connection(L)->requests.channel;
	lua_pushstring(L, channel->incarnation == 0 ? "new" : names[channel->state]);
	return 1;
}

/* Did somebody give up on a request whose reply is still to come? */
static int mongo_doubtful(lua_State *L) {
	struct reef_mongo_connection *c = check_connection(L);
	lua_pushboolean(L, c->requests.channel.state != REEF_CHANNEL_OPEN || c->requests.pending.tombstones > 0 ||
							   c->stream != 0);
	return 1;
}

static int mongo_pending(lua_State *L) {
	lua_pushinteger(L, (lua_Integer)check_connection(L)->requests.pending.requests);
	return 1;
}

static int mongo_close(lua_State *L) {
	reef_channel_close(&check_connection(L)->requests.channel, REEF_CHANNEL_GIVEN_UP,
					   luaL_optstring(L, 2, "the connection was closed here"));
	return 0;
}

int reef_lua_mongo_open(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"connect", mongo_connect},
			{"request", mongo_request},
			{"send", mongo_send},
			{"receive", mongo_receive},
			{"streaming", mongo_streaming},
			{"state", mongo_state},
			{"doubtful", mongo_doubtful},
			{"pending", mongo_pending},
			{"close", mongo_close},
			{"compress", mongo_compress},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {
			{"connection", mongo_new_connection}, {"shape", reef_mongo_shape_new}, {"compressors", mongo_compressors},
			{"deflate", mongo_deflate},           {"inflate", mongo_inflate},      {NULL, NULL},
	};
	luaL_newmetatable(L, CONNECTION);
	lua_pushcfunction(L, mongo_connection_gc);
	lua_setfield(L, -2, "__gc");
	lua_newtable(L);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 1);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	reef_mongo_lists_register(L);
	reef_mongo_batch_push_next(L);
	lua_setfield(L, -2, "next");
	return 1;
}
