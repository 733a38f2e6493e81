/* One connection to a Redis server: bytes out and in, requests matched to replies, deadlines.
 *
 * Commands of one slice are gathered here and leave in one write at its end. Replies come in the order of the requests,
 * so each belongs to the oldest; its coroutine goes on at once with the value. A request whose deadline passes, or whose
 * coroutine is ended, stays in its place and swallows its reply. Whenever that order is in doubt (a reply that nobody
 * asked for, bytes that are no reply, too many late replies) the connection is closed and everybody who waits is told;
 * a wrong reply is never handed out.
 *
 * The object is counted: its userdata holds one reference, callbacks under way hold others. It is used again for the
 * next connection after one is lost. Own slice only.
 */
#ifndef REEF_REDIS_CONNECTION_H
#define REEF_REDIS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "answer.h"
#include "core/host.h"
#include "core/scheduler.h"
#include "drivers/channel/deadline.h"
#include "drivers/channel/pending.h"
#include "encode.h"
#include "reply.h"

enum reef_redis_state {
	REEF_REDIS_CLOSED,
	REEF_REDIS_CONNECTING,
	REEF_REDIS_LOGIN, /* connected, but only for who makes the connection ready */
	REEF_REDIS_OPEN,
};

struct reef_tls_target;

struct reef_redis_connection {
	int references;
	enum reef_redis_state state;
	int socket;
	unsigned incarnation; /* counts connections, so that callbacks notice that theirs is over */
	struct reef_host *host;
	lua_State *build; /* anchored by the userdata */
	struct reef_pending pending;
	struct reef_deadline deadline;
	uint64_t grain_ns; /* reef_deadline_grain() */
	struct reef_redis_reader reader;
	struct reef_redis_limits limits;
	size_t max_tombstones;
	size_t max_unsent;
	size_t max_queue;

	struct reef_deferred flush;
	bool flush_queued;
	struct reef_redis_output output; /* gathered in this slice */
	uint64_t gathered;               /* bytes of this incarnation that were ever put into `out` */
	size_t unsent_limit;             /* what the socket said last about its unsent bytes */

	struct reef_wait wait;      /* of the task below */
	struct reef_task *opener;   /* waits for the connect */
	struct reef_task *listener; /* waits for a message */
	uint64_t listener_deadline_ns, listener_since_ns;

	int failure;  /* registry: function(details...) -> error object */
	int overload; /* registry: function(boolean), or LUA_NOREF */
	bool overloaded;
	int queue;   /* registry: table of messages; LUA_NOREF: messages out of band are dropped */
	bool stream; /* every reply is a message */
	lua_Integer queue_head, queue_tail;
	int bound; /* coroutines that have a connection of their own now */

	const char *lost; /* why it was closed last; static, or `lost_text` */
	char lost_text[320];
	uint64_t heard_ns, lost_ns; /* when something came last, when it was closed last */
	uint64_t requests, replies, late;
};

/* A new, closed connection for the VM that L belongs to. The caller fills in limits, failure, overload, build. */
struct reef_redis_connection *reef_redis_connection_new(lua_State *L);
void reef_redis_connection_ref(struct reef_redis_connection *c);
void reef_redis_connection_unref(struct reef_redis_connection *c);

/* Starts a connect for the running task, which the caller suspends on c->wait afterwards. It goes on with `true`, or
 * with nil and a text. NULL, or a text: it cannot even be tried. `tls` may be NULL. */
const char *reef_redis_connection_connect(struct reef_redis_connection *c, struct reef_task *task, const char *host,
										  int port, uint64_t deadline_ns, const struct reef_tls_target *tls);
/* Closes the connection if there is one. Who waits is failed, at the end of this turn, with an error object that says
 * `code` and `why` (copied). */
void reef_redis_connection_close(struct reef_redis_connection *c, const char *code, const char *why);

/* What was written to c->output since reef_redis_begin is to be sent with this slice's; returns how many bytes. */
size_t reef_redis_connection_commit(struct reef_redis_connection *c);
/* Is there room for another request? "" if so, else a text that says why not. */
const char *reef_redis_connection_refusal(const struct reef_redis_connection *c);
/* Appends the request that was just committed, beginning `size` bytes before the end of what was gathered. `timeout_ns`
 * 0: no deadline. The caller sets kind and ref, and suspends the task on request->wait. */
struct reef_request *reef_redis_connection_request(struct reef_redis_connection *c, struct reef_task *task,
												   const char *command, size_t replies, size_t size,
												   uint64_t timeout_ns);

/* The oldest message, pushed on L; false: there is none. */
bool reef_redis_connection_message(struct reef_redis_connection *c, lua_State *L);
/* Lets the running task wait for a message on c->wait; the caller suspends it. It goes on with the message. */
void reef_redis_connection_listen(struct reef_redis_connection *c, struct reef_task *task, uint64_t timeout_ns);

#endif
