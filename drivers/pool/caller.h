/* What callers of a pool do alike, whatever the protocol: requests that are sent to the pool's service, answers that
 * come from there, waits that end early. See wire.h for what is said.
 *
 * A client belongs to a userdata of the caller's VM; its calls live in its memory and are used again. Own slice only.
 */
#ifndef REEF_POOL_CALLER_H
#define REEF_POOL_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "core/host/host.h"
#include "core/message.h"
#include "drivers/channel/failure.h"
#include "wire.h"

struct reef_pool_call;

struct reef_pool_client {
	struct reef_host *host;
	bool *ready;                  /* is there a pool to talk to? */
	uint32_t address;             /* of its service */
	struct reef_host_reply watch; /* of the pool's end, and for the pool to hear of ours */
	int32_t watching;             /* its session; 0: none */
	lua_State *build;             /* anchored by the userdata */
	int failure;                  /* see reef_failure_push */
	int slow;                     /* registry: function(command, seconds), or LUA_NOREF */
	uint64_t slow_ns;
	struct reef_pool_call *spare, *all;
	size_t in_flight;
	bool ended; /* finalized: only its memory is there */
	uint64_t requests, replies, failures;
	/* There is a reply: sees to the call's task, and frees the call before it resumes that. */
	void (*answered)(struct reef_pool_call *call, const char *bytes, size_t n);
	/* There is none, and the call is free; goes on with the task. */
	void (*failed)(struct reef_pool_client *client, struct reef_task *task, const struct reef_failure *failure);
};

struct reef_pool_call {
	struct reef_host_reply reply;
	struct reef_wait wait;
	struct reef_pool_call *next, *all_next;
	struct reef_pool_client *client;
	struct reef_task *task;
	const char *command; /* for messages; outlives the call */
	uint64_t sent_ns;
	int32_t session;
	uint32_t expect; /* of the request's header */
	uint32_t pin;    /* the same */
	int kind;        /* of the protocol */
	int ref;         /* registry: of the protocol, or LUA_NOREF */
};

/* Fills in a client whose hooks and `ready` are for the caller to set. */
void reef_pool_client_init(struct reef_pool_client *client, lua_State *L);
void reef_pool_client_fini(struct reef_pool_client *client, lua_State *L);
/* From now on requests go to that service. False: there is none such. */
bool reef_pool_client_target(struct reef_pool_client *client, uint32_t address);
/* function(command, seconds) at the top of L, popped, is called after calls that took longer; 0: never. */
void reef_pool_client_slow(struct reef_pool_client *client, lua_State *L, uint64_t ns);
/* Adds what is known of the client to the table on top of L. */
void reef_pool_client_info(const struct reef_pool_client *client, lua_State *L);

/* A message for a request of `n` bytes behind the header. NULL: no memory. */
struct reef_message *reef_pool_message_new(size_t n);
static inline char *reef_pool_message_bytes(struct reef_message *m) {
	return (char *)m->data + sizeof(struct reef_pool_request);
}

/* Sends the message, with that header, for a task which the caller suspends on the call's wait. `timeout_ns` 0: no
 * deadline. The caller sets command, wait.what, kind and ref. NULL: the pool is gone, nothing was sent. */
struct reef_pool_call *reef_pool_call_send(struct reef_pool_client *client, struct reef_task *task,
										   const struct reef_pool_request *head, struct reef_message *m,
										   uint64_t timeout_ns);
/* The same for something that has no reply. */
void reef_pool_note_send(struct reef_pool_client *client, const struct reef_pool_request *note);
/* The same with bytes behind the header. */
void reef_pool_note_post(struct reef_pool_client *client, const struct reef_pool_request *note, struct reef_message *m);
void reef_pool_call_free(struct reef_pool_call *call);
/* Frees the call and goes on with its task; `command` is filled in. */
void reef_pool_call_fail(struct reef_pool_call *call, struct reef_failure *failure);
/* What the pool's service, or in its place the engine, says instead of a reply. */
void reef_pool_call_refused(struct reef_pool_call *call, const char *bytes, size_t n);

static inline uint64_t reef_pool_nanoseconds(lua_Number seconds) {
	return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0;
}

#endif
