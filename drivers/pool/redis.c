/* Redis through a pool: the callers' half. The Lua module `reef.pool.redis.core`, for reef.pool.redis.
 *
 *   client(failure, limits) -> c     failure as for reef.redis.core's connections, with the queue's length behind
 *   c:target(address) -> boolean     the pool's service; false: there is none such
 *   c:route(boolean)                 requests with the same key keep their order
 *   c:order(n)                       the next request goes behind those of the same number; see reef_pool_request
 *   c:slow(seconds, f)               f(command, seconds) after requests that took longer; 0: never
 *   c:bound(n)  c:info() -> table
 *   c:pin(seconds) -> number         waits for a connection of one's own; raises
 *   c:unpin(number, clean)
 *   c:listen(number, seconds) -> table, n    what the server says on that connection by itself; raises
 *   handle(c, seconds, pin, objects, bound, connect) -> db[1]
 *
 * Commands are written and replies, complete when they come, are read with what all services of a worker thread share, so
 * that ten thousand callers need not have a buffer each. Requests live in memory of the client and are used again. Own
 * slice only.
 */
#include <pthread.h>
#include <string.h>

#include <lauxlib.h>

#include "caller.h"
#include "core/alloc.h"
#include "drivers/redis/answer.h"
#include "drivers/redis/command.h"
#include "drivers/redis/encode.h"
#include "drivers/redis/reply.h"
#include "redis.h"

#define CLIENT "reef.pool.redis"
#define KEEP_OUTPUT (64 * 1024)

struct client {
	struct reef_redis_remote remote; /* first */
	struct reef_pool_client pool;
	bool by_key;
	uint64_t order; /* of the next request; 0: it has none of its own */
	struct reef_redis_limits limits;
};

#define OF(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

static struct client *redis_pool_check_client(lua_State *L, int index) {
	return luaL_checkudata(L, index, CLIENT);
}

/* ---- what the services of a thread share ---- */

/* Commands are written here, replies are read there. Nothing is left in either from one to the next. */
struct workbench {
	struct reef_output output;
	struct reef_redis_reader reader;
};

static pthread_key_t workbench_key;
static _Thread_local struct workbench *workbench;

static void free_workbench(void *p) {
	struct workbench *bench = p;
	reef_redis_reader_fini(&bench->reader);
	reef_free(bench->output.bytes);
	reef_free(bench);
	workbench = NULL;
}

static struct workbench *redis_pool_get_workbench(void) {
	if (workbench == NULL) {
		workbench = reef_calloc(1, sizeof(*workbench));
		reef_redis_reader_init(&workbench->reader, &(struct reef_redis_limits){0});
		pthread_setspecific(workbench_key, workbench);
	}
	return workbench;
}

static struct reef_output *get_output(void) {
	return &redis_pool_get_workbench()->output;
}

/* ---- replies ---- */

static void redis_pool_failed(struct reef_pool_client *client, struct reef_task *task,
							  const struct reef_failure *failure) {
	reef_failure_push(client->build, client->failure, reef_task_thread(task), failure);
	reef_task_wake_fail(task);
}

/* Most replies are a status, a string or an integer: read here without more ado. False: it is something else. */
static bool push_simple(lua_State *to, int kind, const char *bytes, size_t n) {
	if (n < 4 || bytes[n - 2] != '\r')
		return false;
	if (bytes[0] == '+') {
		lua_pushlstring(to, bytes + 1, n - 3);
		return true;
	}
	if (bytes[0] != '$' && bytes[0] != ':')
		return false;
	size_t at = 1, digits = 1 + (bytes[1] == '-');
	lua_Integer value = 0;
	for (at = digits; bytes[at] >= '0' && bytes[at] <= '9'; at++) {
		if (at - digits == 18)
			return false;
		value = value * 10 + (bytes[at] - '0');
	}
	if (bytes[0] == ':') {
		if (at + 2 != n || at == digits)
			return false;
		value = digits == 2 ? -value : value;
		if (kind & REEF_REDIS_BOOLEAN)
			lua_pushboolean(to, value != 0);
		else
			lua_pushinteger(to, value);
	} else if (digits == 2) {
		lua_pushnil(to);
	} else {
		if ((size_t)value + at + 4 != n)
			return false;
		lua_pushlstring(to, bytes + at + 2, (size_t)value);
	}
	return true;
}

static void read_replies(struct reef_pool_call *call, const char *bytes, size_t n) {
	struct client *client = OF(struct client, pool, call->client);
	struct reef_redis_reader *r = &redis_pool_get_workbench()->reader;
	r->limits = client->limits;
	lua_State *build = client->pool.build;
	struct reef_task *task = call->task;
	struct reef_redis_answer answer = {
			.build = build, .failure = client->pool.failure, .kind = call->kind, .command = call->command};
	size_t left = call->expect;
	int ref = call->ref;
	while (n > 0 && left > 0) {
		size_t used = reef_redis_reader_feed(r, bytes, n);
		bytes += used;
		n -= used;
		int done;
		do {
			done = reef_redis_reader_parse(r, build);
			for (int i = 1; i <= done && left > 0; i++) {
				answer.index = i;
				answer.reply = (enum reef_redis_reply)r->kind[i - 1];
				if (answer.reply == REEF_REDIS_PUSH)
					continue;
				left--;
				if (answer.kind & REEF_REDIS_COLLECT)
					reef_redis_collect(&answer, &r->kind[i - 1], 1, ref);
				if (left > 0)
					continue;
				/* The task runs now, and may do anything but wait for a reply of ours. */
				reef_pool_call_free(call);
				if (answer.kind & REEF_REDIS_COLLECT)
					reef_redis_finish_collection(build, task, ref);
				else
					reef_redis_answer(&answer, task);
			}
			reef_redis_reader_drop(build, done);
		} while (done == REEF_REDIS_BATCH);
		if (r->error[0])
			break;
	}
	if (left > 0) {
		struct reef_failure failure = {.code = "protocol",
									   .outcome = "maybe applied",
									   .why = r->error[0] ? r->error : "the reply is not complete"};
		reef_pool_call_fail(call, &failure);
	}
	if (r->error[0] || left > 0 || r->bytes > 0) {
		lua_settop(build, 0);
		reef_redis_reader_fini(r);
		reef_redis_reader_init(r, &client->limits);
	}
}

static void redis_pool_answered(struct reef_pool_call *call, const char *bytes, size_t n) {
	if (call->expect == 1 && call->ref == LUA_NOREF &&
		push_simple(reef_task_thread(call->task), call->kind, bytes, n)) {
		struct reef_task *task = call->task;
		reef_pool_call_free(call);
		reef_task_resume(task, 1);
	} else {
		read_replies(call, bytes, n);
	}
}

/* ---- commands ---- */

static uint64_t hash(const char *bytes, size_t n) {
	uint64_t h = UINT64_C(14695981039346656037);
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
	return h ? h : 1;
}

/* A number for the command's first argument, or, of a pipeline, for that of the first operation. 0: it has none. */
static uint64_t order_of(lua_State *L, const char *command) {
	int top = lua_gettop(L);
	uint64_t order = 0;
	lua_pushvalue(L, 2);
	int place = 1;
	if (strcmp(command, "pipeline") == 0) {
		lua_geti(L, -1, 1);
		place = 2;
	}
	if (lua_istable(L, -1))
		lua_geti(L, -1, place);
	size_t n;
	const char *text =
			lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER ? lua_tolstring(L, -1, &n) : NULL;
	if (text)
		order = hash(text, n);
	lua_settop(L, top);
	return order;
}

/* The message takes what was written. NULL: no memory. */
static struct reef_message *take_output(void) {
	struct reef_output *output = get_output();
	size_t n = reef_output_commit(output);
	struct reef_message *m = reef_pool_message_new(n);
	output->size = 0;
	if (m)
		memcpy(reef_pool_message_bytes(m), output->bytes, n);
	if (output->capacity > KEEP_OUTPUT) {
		reef_free(output->bytes);
		*output = (struct reef_output){0};
	}
	return m;
}

static void say(struct reef_redis_remote *remote, const struct reef_redis_handle *handle) {
	struct client *client = (struct client *)remote;
	struct reef_message *m = take_output();
	if (m)
		reef_pool_note_post(&client->pool, &(struct reef_pool_request){.kind = REEF_POOL_SAY, .pin = handle->pin}, m);
}

static struct reef_wait *send_order(struct reef_redis_remote *remote, lua_State *L,
									const struct reef_redis_order *order) {
	struct client *client = (struct client *)remote;
	struct reef_message *m = take_output();
	if (m == NULL)
		luaL_error(L, "redis: not enough memory for a command (nothing was sent)");
	const struct reef_pool_request head = {
			.kind = REEF_POOL_REQUEST,
			.expect = (uint32_t)order->replies,
			.pin = order->handle->pin,
			.order = client->order    ? client->order
					 : client->by_key ? order_of(L, order->command)
									  : 0,
	};
	client->order = 0;
	struct reef_pool_call *call = reef_pool_call_send(&client->pool, order->task, &head, m, order->handle->timeout_ns);
	if (call == NULL)
		return NULL;
	call->wait.of = "redis";
	call->command = call->wait.what = order->command;
	call->kind = order->kind;
	call->ref = order->ref;
	return &call->wait;
}

/* ---- pins ---- */

static void pinned(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct reef_pool_call *call = OF(struct reef_pool_call, reply, reply);
	struct reef_task *task = call->task;
	uint32_t pin;
	if (!ok || n != sizeof(pin)) {
		reef_pool_call_refused(call, bytes, n);
		return;
	}
	memcpy(&pin, bytes, n);
	reef_pool_call_free(call);
	lua_pushinteger(reef_task_thread(task), pin);
	reef_task_resume(task, 1);
}

static int client_pin(lua_State *L) {
	struct client *client = redis_pool_check_client(L, 1);
	uint64_t timeout = reef_pool_nanoseconds(luaL_checknumber(L, 2));
	struct reef_task *task = reef_task_running(L);
	const struct reef_pool_request head = {.kind = REEF_POOL_PIN, .expect = 1};
	struct reef_message *m = reef_pool_message_new(0);
	struct reef_pool_call *call = reef_pool_call_send(&client->pool, task, &head, m, timeout);
	if (call == NULL)
		return 0;
	call->reply.arrived = pinned;
	call->wait.of = "redis";
	call->command = call->wait.what = "connection";
	return reef_task_suspend(L, &call->wait);
}

/* What a stream has brought: a table with the replies, errors as {"error", text}. */
static void heard(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct reef_pool_call *call = OF(struct reef_pool_call, reply, reply);
	if (!ok) {
		reef_pool_call_refused(call, bytes, n);
		return;
	}
	struct client *client = OF(struct client, pool, call->client);
	struct reef_redis_reader *r = &redis_pool_get_workbench()->reader;
	lua_State *build = client->pool.build, *to = reef_task_thread(call->task);
	lua_Integer count = 0;
	r->limits = client->limits;
	lua_newtable(to);
	while (n > 0 && !r->error[0]) {
		size_t used = reef_redis_reader_feed(r, bytes, n);
		bytes += used;
		n -= used;
		int done;
		do {
			done = reef_redis_reader_parse(r, build);
			for (int i = 1; i <= done; i++) {
				bool error = r->kind[i - 1] == REEF_REDIS_ERROR;
				if (error) {
					lua_createtable(to, 2, 0);
					lua_pushliteral(to, "error");
					lua_rawseti(to, -2, 1);
				}
				lua_pushvalue(build, i);
				lua_xmove(build, to, 1);
				if (error)
					lua_rawseti(to, -2, 2);
				lua_rawseti(to, -2, ++count);
			}
			reef_redis_reader_drop(build, done);
		} while (done == REEF_REDIS_BATCH);
	}
	if (r->error[0]) {
		struct reef_failure failure = {.code = "protocol", .outcome = "not sent", .why = r->error};
		reef_pool_call_fail(call, &failure);
		lua_settop(build, 0);
		reef_redis_reader_fini(r);
		reef_redis_reader_init(r, &client->limits);
		return;
	}
	struct reef_task *task = call->task;
	reef_pool_call_free(call);
	lua_pushinteger(to, count);
	reef_task_resume(task, 2);
}

static int client_listen(lua_State *L) {
	struct client *client = redis_pool_check_client(L, 1);
	uint64_t timeout = reef_pool_nanoseconds(luaL_checknumber(L, 3));
	struct reef_task *task = reef_task_running(L);
	const struct reef_pool_request head = {
			.kind = REEF_POOL_LISTEN, .expect = 1, .pin = (uint32_t)luaL_checkinteger(L, 2)};
	struct reef_pool_call *call = reef_pool_call_send(&client->pool, task, &head, reef_pool_message_new(0), timeout);
	if (call == NULL)
		return 0;
	call->reply.arrived = heard;
	call->wait.of = "redis";
	call->command = call->wait.what = "message";
	return reef_task_suspend(L, &call->wait);
}

static int client_unpin(lua_State *L) {
	reef_pool_note_send(&redis_pool_check_client(L, 1)->pool,
						&(struct reef_pool_request){
								.kind = lua_toboolean(L, 3) ? REEF_POOL_UNPIN : REEF_POOL_SPOIL,
								.pin = (uint32_t)luaL_checkinteger(L, 2),
						});
	return 0;
}

/* ---- clients ---- */

static int redis_pool_new_client(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	luaL_checktype(L, 2, LUA_TTABLE);
	struct client *client = lua_newuserdatauv(L, sizeof(*client), 1);
	*client = (struct client){.remote = {.output = get_output, .say = say, .send = send_order}};
	reef_pool_client_init(&client->pool, L);
	client->pool.ready = &client->remote.ready;
	client->pool.answered = redis_pool_answered;
	client->pool.failed = redis_pool_failed;
	luaL_setmetatable(L, CLIENT);
	client->pool.build = lua_newthread(L);
	lua_setiuservalue(L, -2, 1);
	lua_getfield(L, 2, "reply");
	lua_getfield(L, 2, "elements");
	lua_getfield(L, 2, "depth");
	client->limits = (struct reef_redis_limits){
			.reply = (size_t)luaL_optinteger(L, -3, 512 << 20),
			.elements = (size_t)luaL_optinteger(L, -2, 1 << 24),
			.depth = (int)luaL_optinteger(L, -1, 64),
	};
	lua_pop(L, 3);
	lua_pushvalue(L, 1);
	client->pool.failure = luaL_ref(L, LUA_REGISTRYINDEX);
	return 1;
}

static int redis_pool_finalize(lua_State *L) {
	reef_pool_client_fini(&redis_pool_check_client(L, 1)->pool, L);
	return 0;
}

static int redis_pool_client_target(lua_State *L) {
	struct client *client = redis_pool_check_client(L, 1);
	lua_pushboolean(L, reef_pool_client_target(&client->pool, (uint32_t)luaL_checkinteger(L, 2)));
	return 1;
}

static int client_route(lua_State *L) {
	redis_pool_check_client(L, 1)->by_key = lua_toboolean(L, 2);
	return 0;
}

static int client_order(lua_State *L) {
	redis_pool_check_client(L, 1)->order = (uint64_t)luaL_checkinteger(L, 2);
	return 0;
}

static int redis_pool_client_slow(lua_State *L) {
	struct client *client = redis_pool_check_client(L, 1);
	uint64_t ns = reef_pool_nanoseconds(luaL_checknumber(L, 2));
	lua_settop(L, 3);
	reef_pool_client_slow(&client->pool, L, ns);
	return 0;
}

static int client_bound(lua_State *L) {
	redis_pool_check_client(L, 1)->remote.bound = (int)luaL_checkinteger(L, 2);
	return 0;
}

static int redis_pool_client_info(lua_State *L) {
	const struct client *client = redis_pool_check_client(L, 1);
	lua_createtable(L, 0, 5);
	reef_pool_client_info(&client->pool, L);
	return 1;
}

static int redis_pool_new_handle(lua_State *L) {
	struct client *client = redis_pool_check_client(L, 1);
	struct reef_redis_handle *handle = reef_redis_handle_new(L);
	handle->remote = &client->remote;
	handle->timeout_ns = reef_pool_nanoseconds(luaL_checknumber(L, 2));
	handle->pin = (uint32_t)luaL_optinteger(L, 3, 0);
	return 1;
}

static int redis_pool_open_client(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"target", redis_pool_client_target},
			{"route", client_route},
			{"order", client_order},
			{"slow", redis_pool_client_slow},
			{"bound", client_bound},
			{"pin", client_pin},
			{"unpin", client_unpin},
			{"info", redis_pool_client_info},
			{"listen", client_listen},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {
			{"client", redis_pool_new_client}, {"handle", redis_pool_new_handle}, {NULL, NULL}};
	luaL_newmetatable(L, CLIENT);
	lua_pushcfunction(L, redis_pool_finalize);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}

void reef_pool_redis_setup(void) {
	pthread_key_create(&workbench_key, free_workbench);
	reef_host_preload("reef.pool.redis.core", redis_pool_open_client);
}
