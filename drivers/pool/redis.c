/* Redis through a pool: the callers' half. The Lua module `reef.pool.redis.core`, for reef.pool.redis only.
 *
 *   client(failure, limits) -> c     failure as for reef.redis.core's connections, with the queue's length behind
 *   c:target(address) -> boolean     the pool's service; false: there is none such
 *   c:route(boolean)                 requests with the same key keep their order
 *   c:slow(seconds, f)               f(command, seconds) after requests that took longer; 0: never
 *   c:bound(n)  c:info() -> table
 *   c:pin(seconds) -> number         waits for a connection of one's own; raises
 *   c:unpin(number, clean)
 *   handle(c, seconds, pin, objects, bound, connect) -> db[1]
 *
 * Commands are written and replies, complete when they come, are read with what all services of a worker thread share, so
 * that ten thousand callers need not have a buffer each. Requests live in memory of the client and are used again. Own
 * slice only.
 */
#include <pthread.h>
#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/message.h"
#include "core/service.h"
#include "core/timer.h"
#include "drivers/channel/deadline.h"
#include "drivers/channel/pending.h"
#include "drivers/redis/answer.h"
#include "drivers/redis/command.h"
#include "drivers/redis/encode.h"
#include "drivers/redis/reply.h"
#include "pool.h"
#include "wire.h"

#define CLIENT "reef.pool.redis"
#define KEEP_OUTPUT (64 * 1024)

struct client {
	struct reef_redis_remote remote; /* first */
	struct reef_host *host;
	uint32_t address;
	struct reef_host_reply watch; /* of the pool's end, and for the pool to hear of ours */
	int32_t watching;             /* its session; 0: none */
	lua_State *build;             /* anchored by the userdata */
	int failure;
	int slow; /* registry: function, or LUA_NOREF */
	uint64_t slow_ns;
	bool by_key;
	struct reef_redis_limits limits;
	struct request *spare, *all;
	size_t in_flight;
	uint64_t requests, replies, failures;
};

struct request {
	struct reef_host_reply reply;
	struct reef_wait wait;
	struct request *next, *all_next;
	struct client *client;
	struct reef_task *task;
	const char *command;
	uint64_t sent_ns;
	int32_t session;
	uint32_t replies;
	int kind, ref;
};

#define OF(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

static struct client *check_client(lua_State *L, int index) {
	return luaL_checkudata(L, index, CLIENT);
}

static uint64_t nanoseconds(lua_Number seconds) {
	return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0;
}

/* ---- what the services of a thread share ---- */

/* Commands are written here, replies are read there. Nothing is left in either from one to the next. */
struct workbench {
	struct reef_redis_output output;
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

static struct workbench *get_workbench(void) {
	if (workbench == NULL) {
		workbench = reef_calloc(1, sizeof(*workbench));
		reef_redis_reader_init(&workbench->reader, &(struct reef_redis_limits){0});
		pthread_setspecific(workbench_key, workbench);
	}
	return workbench;
}

static struct reef_redis_output *get_output(void) {
	return &get_workbench()->output;
}

/* ---- requests ---- */

static struct request *new_request(struct client *client) {
	struct request *request = client->spare;
	if (request) {
		client->spare = request->next;
	} else {
		request = reef_malloc(sizeof(*request));
		request->client = client;
		request->all_next = client->all;
		client->all = request;
	}
	client->in_flight++;
	return request;
}

static void free_request(struct request *request) {
	struct client *client = request->client;
	client->in_flight--;
	request->task = NULL;
	request->next = client->spare;
	client->spare = request;
}

static void fail(struct request *request, const struct reef_redis_failure *failure) {
	struct client *client = request->client;
	struct reef_task *task = request->task;
	client->failures++;
	luaL_unref(client->build, LUA_REGISTRYINDEX, request->ref);
	free_request(request);
	reef_redis_push_failure(client->build, client->failure, reef_task_thread(task), failure);
	reef_task_wake_fail(task);
}

/* What the pool's service, or in its place the engine, says instead of a reply. */
static void refused(struct request *request, const char *bytes, size_t n) {
	static const char *const codes[] = {"overload", "timeout", "closed", "protocol", "connect", "auth", "ended"};
	static const char not_begun[] = "service ended before it handled the request";
	struct reef_pool_failure what;
	struct reef_redis_failure failure = {.command = request->command, .outcome = "maybe applied"};
	if (n == sizeof(what)) {
		memcpy(&what, bytes, n);
		failure.code = codes[what.code];
		failure.outcome = what.sent ? "maybe applied" : "not sent";
		failure.why = what.why;
		failure.waited = (double)what.waited_ns / 1e9;
		failure.in_flight = what.in_flight;
		failure.queued = what.queued;
	} else {
		if (n == sizeof(not_begun) - 1 && memcmp(bytes, not_begun, n) == 0)
			failure.outcome = "not sent";
		failure.code = "closed";
		failure.why = "the pool's service has ended";
	}
	fail(request, &failure);
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

static void read_replies(struct request *request, const char *bytes, size_t n) {
	struct client *client = request->client;
	struct reef_redis_reader *r = &get_workbench()->reader;
	r->limits = client->limits;
	lua_State *build = client->build;
	struct reef_task *task = request->task;
	struct reef_redis_answer answer = {
			.build = build, .failure = client->failure, .kind = request->kind, .command = request->command};
	size_t left = request->replies;
	int ref = request->ref;
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
					reef_redis_collect(&answer, ref);
				if (left > 0)
					continue;
				/* The task runs now, and may do anything but wait for a reply of ours. */
				free_request(request);
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
		const struct reef_redis_failure failure = {.code = "protocol",
												   .outcome = "maybe applied",
												   .command = request->command,
												   .why = r->error[0] ? r->error : "the reply is not complete"};
		fail(request, &failure);
	}
	if (r->error[0] || left > 0 || r->bytes > 0) {
		lua_settop(build, 0);
		reef_redis_reader_fini(r);
		reef_redis_reader_init(r, &client->limits);
	}
}

static void tell_slow(struct client *client, const char *command, uint64_t took) {
	lua_State *L = client->build;
	lua_rawgeti(L, LUA_REGISTRYINDEX, client->slow);
	lua_pushstring(L, command);
	lua_pushnumber(L, (lua_Number)took / 1e9);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK)
		lua_pop(L, 1);
}

static void arrived(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct request *request = OF(struct request, reply, reply);
	struct client *client = request->client;
	client->replies++;
	if (client->slow_ns) {
		uint64_t took = reef_now_ns() - request->sent_ns;
		if (took > client->slow_ns)
			tell_slow(client, request->command, took);
	}
	if (!ok) {
		refused(request, bytes, n);
	} else if (request->replies == 1 && request->ref == LUA_NOREF &&
			   push_simple(reef_task_thread(request->task), request->kind, bytes, n)) {
		struct reef_task *task = request->task;
		free_request(request);
		reef_task_resume(task, 1);
	} else {
		read_replies(request, bytes, n);
	}
}

/* ---- commands ---- */

static void send_note(struct client *client, const struct reef_pool_request *note) {
	struct reef_message *m = reef_message_new(sizeof(*note));
	memcpy(m->data, note, sizeof(*note));
	m->type = REEF_POOL_PTYPE;
	m->source = reef_service_handle(reef_host_service(client->host));
	m->session = 0;
	(void)reef_send(client->address, m);
}

static void cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct request *request = OF(struct request, wait, wait);
	struct client *client = request->client;
	(void)task;
	reef_host_forget(client->host, request->session);
	send_note(client, &(struct reef_pool_request){.kind = REEF_POOL_CANCEL, .session = request->session});
	luaL_unref(client->build, LUA_REGISTRYINDEX, request->ref);
	free_request(request);
}

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

static struct request *send_request(struct client *client, struct reef_task *task, const struct reef_pool_request *head,
									struct reef_message *m, uint64_t timeout_ns) {
	struct reef_pool_request *header = m->data;
	*header = *head;
	header->deadline_ns = REEF_NO_DEADLINE;
	struct request *request = new_request(client);
	if (timeout_ns > 0 || client->slow_ns > 0)
		request->sent_ns = reef_deadline_clock();
	if (timeout_ns > 0)
		header->deadline_ns = request->sent_ns + reef_deadline_grain() + timeout_ns;
	m->type = REEF_POOL_PTYPE;
	request->reply.arrived = arrived;
	request->wait.cancel = cancelled;
	request->task = task;
	request->replies = head->replies;
	request->session = reef_host_ask(client->host, client->address, m, &request->reply);
	if (request->session != 0) {
		client->requests++;
		return request;
	}
	client->remote.ready = false;
	free_request(request);
	return NULL;
}

static struct reef_message *new_message(size_t n) {
	size_t size = sizeof(struct reef_pool_request) + n;
	if (n <= KEEP_OUTPUT)
		return reef_message_new(size);
	/* What a user sends must not end the process when it is too large. */
	void *block = reef_try_malloc(size);
	return block ? reef_message_wrap(block, size) : NULL;
}

static struct reef_wait *send_order(struct reef_redis_remote *remote, lua_State *L,
									const struct reef_redis_order *order) {
	struct client *client = (struct client *)remote;
	struct reef_redis_output *output = get_output();
	size_t n = reef_redis_commit(output);
	struct reef_message *m = new_message(n);
	output->size = 0;
	if (m == NULL)
		luaL_error(L, "redis: not enough memory for a command of %I bytes (nothing was sent)", (LUAI_UACINT)n);
	memcpy((char *)m->data + sizeof(struct reef_pool_request), output->bytes, n);
	if (output->capacity > KEEP_OUTPUT) {
		reef_free(output->bytes);
		*output = (struct reef_redis_output){0};
	}
	const struct reef_pool_request head = {
			.kind = REEF_POOL_REQUEST,
			.replies = (uint32_t)order->replies,
			.pin = order->handle->pin,
			.order = client->by_key ? order_of(L, order->command) : 0,
	};
	struct request *request = send_request(client, order->task, &head, m, order->handle->timeout_ns);
	if (request == NULL)
		return NULL;
	request->command = order->command;
	request->wait.what = order->command;
	request->kind = order->kind;
	request->ref = order->ref;
	return &request->wait;
}

/* ---- pins ---- */

static void pinned(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct request *request = OF(struct request, reply, reply);
	struct reef_task *task = request->task;
	uint32_t pin;
	if (!ok || n != sizeof(pin)) {
		refused(request, bytes, n);
		return;
	}
	memcpy(&pin, bytes, n);
	free_request(request);
	lua_pushinteger(reef_task_thread(task), pin);
	reef_task_resume(task, 1);
}

static int client_pin(lua_State *L) {
	struct client *client = check_client(L, 1);
	uint64_t timeout = nanoseconds(luaL_checknumber(L, 2));
	struct reef_task *task = reef_task_running(L);
	struct reef_message *m = reef_message_new(sizeof(struct reef_pool_request));
	const struct reef_pool_request head = {.kind = REEF_POOL_PIN, .replies = 1};
	struct request *request = send_request(client, task, &head, m, timeout);
	if (request == NULL)
		return 0;
	request->reply.arrived = pinned;
	request->command = request->wait.what = "connection";
	request->ref = LUA_NOREF;
	return reef_task_suspend(L, &request->wait);
}

static int client_unpin(lua_State *L) {
	struct client *client = check_client(L, 1);
	send_note(client, &(struct reef_pool_request){
							  .kind = lua_toboolean(L, 3) ? REEF_POOL_UNPIN : REEF_POOL_SPOIL,
							  .pin = (uint32_t)luaL_checkinteger(L, 2),
					  });
	return 0;
}

/* ---- clients ---- */

static void pool_ended(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct client *client = OF(struct client, watch, reply);
	(void)ok, (void)bytes, (void)n;
	client->watching = 0;
	client->remote.ready = false;
}

static int new_client(lua_State *L) {
	luaL_checktype(L, 1, LUA_TFUNCTION);
	luaL_checktype(L, 2, LUA_TTABLE);
	struct client *client = lua_newuserdatauv(L, sizeof(*client), 1);
	*client = (struct client){
			.remote = {.output = get_output, .send = send_order},
			.host = reef_host_of(L),
			.watch.arrived = pool_ended,
			.failure = LUA_NOREF,
			.slow = LUA_NOREF,
	};
	luaL_setmetatable(L, CLIENT);
	client->build = lua_newthread(L);
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
	client->failure = luaL_ref(L, LUA_REGISTRYINDEX);
	return 1;
}

static int finalize(lua_State *L) {
	struct client *client = check_client(L, 1);
	reef_host_forget(client->host, client->watching);
	/* Whoever waits has the client in his hands; so nobody does, unless the whole VM ends. */
	while (client->all) {
		struct request *request = client->all;
		client->all = request->all_next;
		if (request->task)
			reef_host_forget(client->host, request->session);
		reef_free(request);
	}
	luaL_unref(L, LUA_REGISTRYINDEX, client->failure);
	luaL_unref(L, LUA_REGISTRYINDEX, client->slow);
	return 0;
}

static int client_target(lua_State *L) {
	struct client *client = check_client(L, 1);
	reef_host_forget(client->host, client->watching);
	client->address = (uint32_t)luaL_checkinteger(L, 2);
	client->watching = reef_host_ask(client->host, client->address, NULL, &client->watch);
	client->remote.ready = client->watching != 0;
	lua_pushboolean(L, client->remote.ready);
	return 1;
}

static int client_route(lua_State *L) {
	check_client(L, 1)->by_key = lua_toboolean(L, 2);
	return 0;
}

static int client_slow(lua_State *L) {
	struct client *client = check_client(L, 1);
	client->slow_ns = nanoseconds(luaL_checknumber(L, 2));
	luaL_unref(L, LUA_REGISTRYINDEX, client->slow);
	lua_settop(L, 3);
	client->slow = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int client_bound(lua_State *L) {
	check_client(L, 1)->remote.bound = (int)luaL_checkinteger(L, 2);
	return 0;
}

static int client_info(lua_State *L) {
	const struct client *client = check_client(L, 1);
	lua_createtable(L, 0, 5);
	lua_pushinteger(L, (lua_Integer)client->in_flight);
	lua_setfield(L, -2, "in_flight");
	lua_pushinteger(L, (lua_Integer)client->requests);
	lua_setfield(L, -2, "requests");
	lua_pushinteger(L, (lua_Integer)client->replies);
	lua_setfield(L, -2, "replies");
	lua_pushinteger(L, (lua_Integer)client->failures);
	lua_setfield(L, -2, "failures");
	lua_pushboolean(L, client->remote.ready);
	lua_setfield(L, -2, "ready");
	return 1;
}

static int new_handle(lua_State *L) {
	struct client *client = check_client(L, 1);
	struct reef_redis_handle *handle = reef_redis_handle_new(L);
	handle->remote = &client->remote;
	handle->timeout_ns = nanoseconds(luaL_checknumber(L, 2));
	handle->pin = (uint32_t)luaL_optinteger(L, 3, 0);
	handle->kind = lua_toboolean(L, 4) ? REEF_REDIS_OBJECTS : 0;
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, REEF_REDIS_HANDLE_CONNECTION);
	lua_pushvalue(L, 5);
	lua_setiuservalue(L, -2, REEF_REDIS_HANDLE_BOUND);
	lua_pushvalue(L, 6);
	lua_setiuservalue(L, -2, REEF_REDIS_HANDLE_CONNECT);
	return 1;
}

static int open_client(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"target", client_target}, {"route", client_route}, {"slow", client_slow}, {"bound", client_bound},
			{"pin", client_pin},       {"unpin", client_unpin}, {"info", client_info}, {NULL, NULL},
	};
	static const luaL_Reg functions[] = {{"client", new_client}, {"handle", new_handle}, {NULL, NULL}};
	luaL_newmetatable(L, CLIENT);
	lua_pushcfunction(L, finalize);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}

void reef_pool_redis_setup(void) {
	pthread_key_create(&workbench_key, free_workbench);
	reef_host_preload("reef.pool.redis.core", open_client);
}
