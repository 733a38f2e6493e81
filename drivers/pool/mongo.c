/* MongoDB through a pool: the callers' half. The Lua module `reef.pool.mongo.core`, for reef.pool.mongo and
 * reef.pool.server.mongo only.
 *
 *   client(failure) -> c             failure: see reef_failure_push
 *   c:target(address) -> boolean     the pool's service, which has connections to one server; false: there is none such
 *   c:request, c:send                as of connections (drivers/mongo/lua_mongo.c): true, or a reply, or nil and an error
 *   c:will(number, body...)          a message to be sent if this service ends; c:revoke(number): not so any more
 *   c:slow(seconds, f)  c:ready() -> boolean  c:info() -> table
 *   encode(id, body...) -> bytes     a message with that request id
 *   decode(bytes, id) -> reply       raises what is wrong with it
 *
 * Own slice only.
 */
#include <string.h>

#include <lauxlib.h>

#include "caller.h"
#include "core/alloc.h"
#include "drivers/mongo/message.h"
#include "mongo.h"

#define CLIENT "reef.pool.mongo"

struct client {
	struct reef_pool_client pool;
	bool ready;
};

static struct client *mongo_pool_check_client(lua_State *L) {
	return luaL_checkudata(L, 1, CLIENT);
}

/* ---- writing ---- */

/* Room for the pool's header, then the message from the arguments at `index`. */
static struct reef_writer *write_message(lua_State *L, int index, int32_t id, uint32_t flags) {
	return reef_mongo_message_write(L, sizeof(struct reef_pool_request), index, id, flags);
}

static struct reef_message *take_message(struct reef_writer *w) {
	struct reef_message *m;
	if (w->capacity > REEF_MONGO_KEEP) {
		m = reef_message_wrap(w->data, w->size);
		reef_writer_init(w, w->limit);
	} else {
		m = reef_message_new(w->size);
		memcpy(m->data, w->data, w->size);
	}
	return m;
}

/* ---- answers ---- */

static void mongo_pool_failed(struct reef_pool_client *client, struct reef_task *task,
							  const struct reef_failure *failure) {
	lua_pushnil(reef_task_thread(task));
	reef_failure_push(client->build, client->failure, reef_task_thread(task), failure);
	reef_task_wake(task, 2);
}

static void mongo_pool_answered(struct reef_pool_call *call, const char *bytes, size_t n) {
	struct reef_task *task = call->task;
	struct reef_failure failure = {.code = "protocol", .outcome = "maybe applied"};
	lua_State *build = call->client->build;
	struct reef_wire_message m;
	if (n == 0) {
		reef_pool_call_free(call);
		lua_pushboolean(reef_task_thread(task), true);
		reef_task_resume(task, 1);
		return;
	}
	lua_settop(build, 0);
	if (reef_wire_parse((const uint8_t *)bytes, n, &m, &failure.why) <= 0) {
		failure.why = failure.why ? failure.why : "half a message";
	} else if (m.response_to != (int32_t)call->expect) {
		failure.why = "the reply to another request";
	} else if (!reef_mongo_message_push_reply(build, &m, (unsigned)call->kind)) {
		failure.why = lua_tostring(build, -1);
	} else {
		reef_pool_call_free(call);
		lua_xmove(build, reef_task_thread(task), 1);
		reef_task_resume(task, 1);
		return;
	}
	reef_pool_call_fail(call, &failure);
}

/* ---- requests ---- */

/* Pushes nil and the error object for something that could not be sent. */
static int mongo_pool_refuse(lua_State *L, struct client *client, const char *command) {
	const struct reef_failure failure = {
			.code = "closed", .outcome = "not sent", .command = command, .why = "the pool's service has ended"};
	lua_pushnil(L);
	reef_failure_push(client->pool.build, client->pool.failure, L, &failure);
	return 2;
}

static int mongo_pool_send_message(lua_State *L, struct client *client, enum reef_pool_kind kind, int index,
								   uint64_t timeout_ns, const char *command, uint32_t flags, unsigned decode) {
	struct reef_task *task = reef_task_running(L);
	if (!client->ready)
		return mongo_pool_refuse(L, client, command);
	int32_t id = reef_mongo_message_next_id();
	struct reef_message *m = take_message(write_message(L, index, id, flags));
	const struct reef_pool_request head = {.kind = kind, .expect = (uint32_t)id};
	struct reef_pool_call *call = reef_pool_call_send(&client->pool, task, &head, m, timeout_ns);
	if (call == NULL)
		return mongo_pool_refuse(L, client, command);
	call->wait.of = "mongodb";
	call->command = call->wait.what = command;
	call->kind = (int)decode;
	return reef_task_suspend(L, &call->wait);
}

static int client_request(lua_State *L) {
	struct client *client = mongo_pool_check_client(L);
	lua_Number seconds = luaL_checknumber(L, 2);
	unsigned decode;
	uint32_t flags = reef_mongo_message_read_flags(luaL_checkstring(L, 3), &decode);
	const char *command = reef_mongo_message_lasting(L, 4);
	luaL_checkany(L, 7);
	/* What is over already is not quite 0, which would be no deadline. */
	uint64_t timeout_ns = seconds <= 0 ? 1 : reef_pool_nanoseconds(seconds);
	return mongo_pool_send_message(L, client, REEF_POOL_REQUEST, 5, timeout_ns, command, flags, decode);
}

static int client_send(lua_State *L) {
	struct client *client = mongo_pool_check_client(L);
	const char *command = reef_mongo_message_lasting(L, 2);
	luaL_checkany(L, 5);
	/* Not every server heeds the flag by which one asks for no reply. */
	return mongo_pool_send_message(L, client, REEF_POOL_POST, 3, 0, command, 0, 0);
}

/* The message whose body is the arguments from `index` on. */
static struct reef_writer *write_body(lua_State *L, int index, int32_t id, uint32_t flags) {
	lua_pushnil(L);
	lua_pushnil(L);
	lua_rotate(L, index, 2);
	return write_message(L, index, id, flags);
}

static int client_will(lua_State *L) {
	struct client *client = mongo_pool_check_client(L);
	int32_t id = reef_mongo_message_next_id();
	const struct reef_pool_request note = {
			.kind = REEF_POOL_WILL, .session = (int32_t)luaL_checkinteger(L, 2), .expect = (uint32_t)id};
	struct reef_writer *w = write_body(L, 3, id, 0);
	if (client->ready)
		reef_pool_note_post(&client->pool, &note, take_message(w));
	return 0;
}

static int client_revoke(lua_State *L) {
	struct client *client = mongo_pool_check_client(L);
	const struct reef_pool_request note = {.kind = REEF_POOL_REVOKE, .session = (int32_t)luaL_checkinteger(L, 2)};
	if (client->ready)
		reef_pool_note_send(&client->pool, &note);
	return 0;
}

static int mongo_pool_encode(lua_State *L) {
	const struct reef_writer *w = write_body(L, 2, (int32_t)luaL_checkinteger(L, 1), 0);
	lua_pushlstring(L, (const char *)w->data + sizeof(struct reef_pool_request),
					w->size - sizeof(struct reef_pool_request));
	return 1;
}

static int decode(lua_State *L) {
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);
	struct reef_wire_message m;
	const char *error = "half a message";
	if (reef_wire_parse((const uint8_t *)bytes, n, &m, &error) <= 0)
		return luaL_error(L, "mongo: %s", error);
	if (m.response_to != luaL_checkinteger(L, 2))
		return luaL_error(L, "mongo: the reply to another request");
	if (!reef_mongo_message_push_reply(L, &m, 0))
		return lua_error(L);
	return 1;
}

/* ---- clients ---- */

static int mongo_pool_new_client(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	struct client *client = lua_newuserdatauv(L, sizeof(*client), 1);
	client->ready = false;
	reef_pool_client_init(&client->pool, L);
	client->pool.ready = &client->ready;
	client->pool.answered = mongo_pool_answered;
	client->pool.failed = mongo_pool_failed;
	luaL_setmetatable(L, CLIENT);
	client->pool.build = lua_newthread(L);
	lua_setiuservalue(L, -2, 1);
	lua_pushvalue(L, 1);
	client->pool.failure = luaL_ref(L, LUA_REGISTRYINDEX);
	return 1;
}

static int mongo_pool_finalize(lua_State *L) {
	reef_pool_client_fini(&mongo_pool_check_client(L)->pool, L);
	return 0;
}

static int mongo_pool_client_target(lua_State *L) {
	struct client *client = mongo_pool_check_client(L);
	lua_pushboolean(L, reef_pool_client_target(&client->pool, (uint32_t)luaL_checkinteger(L, 2)));
	return 1;
}

static int mongo_pool_client_slow(lua_State *L) {
	struct client *client = mongo_pool_check_client(L);
	uint64_t ns = reef_pool_nanoseconds(luaL_checknumber(L, 2));
	lua_settop(L, 3);
	reef_pool_client_slow(&client->pool, L, ns);
	return 0;
}

static int client_ready(lua_State *L) {
	lua_pushboolean(L, mongo_pool_check_client(L)->ready);
	return 1;
}

static int mongo_pool_client_info(lua_State *L) {
	const struct client *client = mongo_pool_check_client(L);
	lua_createtable(L, 0, 5);
	reef_pool_client_info(&client->pool, L);
	return 1;
}

static int mongo_pool_open_client(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"target", mongo_pool_client_target},
			{"request", client_request},
			{"send", client_send},
			{"slow", mongo_pool_client_slow},
			{"will", client_will},
			{"revoke", client_revoke},
			{"ready", client_ready},
			{"info", mongo_pool_client_info},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {
			{"client", mongo_pool_new_client}, {"encode", mongo_pool_encode}, {"decode", decode}, {NULL, NULL}};
	luaL_newmetatable(L, CLIENT);
	lua_pushcfunction(L, mongo_pool_finalize);
	lua_setfield(L, -2, "__gc");
	lua_newtable(L);
	/* Names of commands, see reef_mongo_message_lasting. */
	lua_newtable(L);
	luaL_setfuncs(L, methods, 1);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}

void reef_pool_mongo_setup(void) {
	reef_host_preload("reef.pool.mongo.core", mongo_pool_open_client);
}
