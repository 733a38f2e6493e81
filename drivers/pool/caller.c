/* See caller.h. */
#include "caller.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/send.h"
#include "core/service.h"
#include "drivers/channel/deadline.h"
#include "drivers/channel/pending.h"

#define LARGE (64 * 1024) /* bytes of a request whose memory may well be refused */

#define OF(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

/* ---- calls ---- */

static struct reef_pool_call *new_call(struct reef_pool_client *client) {
	struct reef_pool_call *call = client->spare;
	if (call) {
		client->spare = call->next;
	} else {
		call = reef_malloc(sizeof(*call));
		call->client = client;
		call->all_next = client->all;
		client->all = call;
	}
	client->in_flight++;
	return call;
}

void reef_pool_call_free(struct reef_pool_call *call) {
	struct reef_pool_client *client = call->client;
	client->in_flight--;
	call->task = NULL;
	call->next = client->spare;
	client->spare = call;
}

void reef_pool_call_fail(struct reef_pool_call *call, struct reef_failure *failure) {
	struct reef_pool_client *client = call->client;
	struct reef_task *task = call->task;
	failure->command = call->command;
	failure->pin = call->pin;
	client->failures++;
	luaL_unref(client->build, LUA_REGISTRYINDEX, call->ref);
	reef_pool_call_free(call);
	client->failed(client, task, failure);
}

void reef_pool_call_refused(struct reef_pool_call *call, const char *bytes, size_t n) {
	static const char *const codes[] = {"overload", "timeout", "closed", "protocol", "connect", "auth", "ended"};
	static const char not_begun[] = "service ended before it handled the request";
	struct reef_pool_failure what;
	struct reef_failure failure = {.outcome = "maybe applied"};
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
		*call->client->ready = false;
		failure.code = "closed";
		failure.why = "the pool's service has ended";
	}
	reef_pool_call_fail(call, &failure);
}

static void tell_slow(struct reef_pool_client *client, const char *command, uint64_t took) {
	lua_State *L = client->build;
	lua_rawgeti(L, LUA_REGISTRYINDEX, client->slow);
	lua_pushstring(L, command);
	lua_pushnumber(L, (lua_Number)took / 1e9);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK)
		lua_pop(L, 1);
}

static void arrived(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct reef_pool_call *call = OF(struct reef_pool_call, reply, reply);
	struct reef_pool_client *client = call->client;
	client->replies++;
	if (client->slow_ns) {
		uint64_t took = reef_now_ns() - call->sent_ns;
		if (took > client->slow_ns)
			tell_slow(client, call->command, took);
	}
	if (ok)
		client->answered(call, bytes, n);
	else
		reef_pool_call_refused(call, bytes, n);
}

void reef_pool_note_send(struct reef_pool_client *client, const struct reef_pool_request *note) {
	reef_pool_note_post(client, note, reef_message_new(sizeof(*note)));
}

void reef_pool_note_post(struct reef_pool_client *client, const struct reef_pool_request *note,
						 struct reef_message *m) {
	memcpy(m->data, note, sizeof(*note));
	m->type = REEF_POOL_PTYPE;
	m->source = reef_service_handle(reef_host_service(client->host));
	m->session = 0;
	(void)reef_send(client->address, m);
}

static void caller_cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_pool_call *call = OF(struct reef_pool_call, wait, wait);
	struct reef_pool_client *client = call->client;
	(void)task;
	reef_host_forget(client->host, call->session);
	reef_pool_note_send(client, &(struct reef_pool_request){.kind = REEF_POOL_CANCEL, .session = call->session});
	luaL_unref(client->build, LUA_REGISTRYINDEX, call->ref);
	reef_pool_call_free(call);
}

struct reef_message *reef_pool_message_new(size_t n) {
	size_t size = sizeof(struct reef_pool_request) + n;
	if (size <= LARGE)
		return reef_message_new(size);
	/* What a user sends must not end the process when it is too large. */
	void *block = reef_try_malloc(size);
	return block ? reef_message_wrap(block, size) : NULL;
}

struct reef_pool_call *reef_pool_call_send(struct reef_pool_client *client, struct reef_task *task,
										   const struct reef_pool_request *head, struct reef_message *m,
										   uint64_t timeout_ns) {
	struct reef_pool_request *header = m->data;
	*header = *head;
	header->deadline_ns = REEF_NO_DEADLINE;
	struct reef_pool_call *call = new_call(client);
	if (timeout_ns > 0 || client->slow_ns > 0)
		call->sent_ns = reef_deadline_clock();
	if (timeout_ns > 0)
		header->deadline_ns = call->sent_ns + reef_deadline_grain() + timeout_ns;
	m->type = REEF_POOL_PTYPE;
	call->reply.arrived = arrived;
	call->wait.cancel = caller_cancelled;
	call->task = task;
	call->expect = head->expect;
	call->pin = head->pin;
	call->ref = LUA_NOREF;
	call->session = reef_host_ask(client->host, client->address, m, &call->reply);
	if (call->session != 0) {
		client->requests++;
		return call;
	}
	*client->ready = false;
	reef_pool_call_free(call);
	return NULL;
}

/* ---- clients ---- */

static void pool_ended(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct reef_pool_client *client = OF(struct reef_pool_client, watch, reply);
	(void)ok, (void)bytes, (void)n;
	client->watching = 0;
	*client->ready = false;
}

void reef_pool_client_init(struct reef_pool_client *client, lua_State *L) {
	*client = (struct reef_pool_client){
			.host = reef_host_of(L),
			.watch.arrived = pool_ended,
			.failure = LUA_NOREF,
			.slow = LUA_NOREF,
	};
}

void reef_pool_client_fini(struct reef_pool_client *client, lua_State *L) {
	/* Whoever waits has the client in his hands: then this is not the collector. */
	if (client->in_flight > 0 && !reef_service_ending(reef_host_service(client->host)))
		return;
	reef_host_forget(client->host, client->watching);
	while (client->all) {
		struct reef_pool_call *call = client->all;
		client->all = call->all_next;
		if (call->task)
			reef_host_forget(client->host, call->session);
		reef_free(call);
	}
	luaL_unref(L, LUA_REGISTRYINDEX, client->failure);
	luaL_unref(L, LUA_REGISTRYINDEX, client->slow);
	*client->ready = false;
	client->ended = true;
	client->address = 0;
	client->watching = 0;
	client->spare = NULL;
	client->failure = client->slow = LUA_NOREF;
}

bool reef_pool_client_target(struct reef_pool_client *client, uint32_t address) {
	if (client->ended)
		return false;
	reef_host_forget(client->host, client->watching);
	client->address = address;
	client->watching = reef_host_ask(client->host, client->address, NULL, &client->watch);
	*client->ready = client->watching != 0;
	return *client->ready;
}

void reef_pool_client_slow(struct reef_pool_client *client, lua_State *L, uint64_t ns) {
	client->slow_ns = ns;
	luaL_unref(L, LUA_REGISTRYINDEX, client->slow);
	client->slow = luaL_ref(L, LUA_REGISTRYINDEX);
}

void reef_pool_client_info(const struct reef_pool_client *client, lua_State *L) {
	lua_pushinteger(L, (lua_Integer)client->in_flight);
	lua_setfield(L, -2, "in_flight");
	lua_pushinteger(L, (lua_Integer)client->requests);
	lua_setfield(L, -2, "requests");
	lua_pushinteger(L, (lua_Integer)client->replies);
	lua_setfield(L, -2, "replies");
	lua_pushinteger(L, (lua_Integer)client->failures);
	lua_setfield(L, -2, "failures");
	lua_pushboolean(L, *client->ready);
	lua_setfield(L, -2, "ready");
}
