/* One connection to a MongoDB server: messages out and in, replies matched to requests, deadlines.
 *
 * Requests of one slice are gathered here and leave in one write at its end. The server answers in the order of the
 * requests and says which it answers: a reply that does not name the oldest one ends the connection, so a wrong reply is
 * never handed out. A request whose deadline passes, or whose coroutine is ended, stays in its place and swallows its
 * reply; `doubtful` says so to whoever keeps connections for use by others.
 *
 * The object is counted: its userdatum holds one reference, work under way holds others. It serves one connection only;
 * after its end a new object is made. Own slice only.
 */
#ifndef REEF_MONGO_CONNECTION_H
#define REEF_MONGO_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "core/host/host.h"
#include "core/scheduler.h"
#include "drivers/channel/deadline.h"
#include "drivers/channel/pending.h"
#include "wire.h"
#include "writer.h"

enum reef_mongo_state {
	REEF_MONGO_NEW,
	REEF_MONGO_CONNECTING,
	REEF_MONGO_OPEN,
	REEF_MONGO_CLOSED,
};

struct reef_tls_target;

struct reef_mongo_connection {
	int references;
	enum reef_mongo_state state;
	int socket;
	struct reef_host *host;
	lua_State *build; /* anchored by the userdatum */
	struct reef_pending pending;
	struct reef_deadline deadline;

	struct reef_deferred flush;
	bool flush_queued;
	struct reef_writer out; /* gathered in this slice, and behind `committed` what is being written */
	size_t committed;
	uint64_t gathered; /* bytes that were ever committed */

	struct reef_writer in; /* the beginning of a message */

	struct reef_wait wait;      /* of the task below */
	struct reef_task *opener;   /* waits for the connect */
	struct reef_task *listener; /* waits for a further reply */
	uint64_t listener_deadline_ns;
	int32_t stream; /* id that the next unasked reply answers; 0: none comes */
	unsigned stream_decode;
	int stream_early; /* registry: table of replies that came before anybody waited, or LUA_NOREF */

	int failure; /* registry: function(code, outcome, command, waited, why) -> error object */
	char why[320];
	uint64_t opened_ns;
};

/* A new one for the VM that L belongs to; the caller sets build and failure. */
struct reef_mongo_connection *reef_mongo_connection_new(lua_State *L);
void reef_mongo_connection_ref(struct reef_mongo_connection *c);
void reef_mongo_connection_unref(struct reef_mongo_connection *c);

/* Starts to connect for the running task, which the caller suspends on c->wait. It goes on with `true`, or with nil and
 * an error object. NULL, or a text: it cannot even be tried. `tls` may be NULL. */
const char *reef_mongo_connection_open(struct reef_mongo_connection *c, struct reef_task *task, const char *host,
									   int port, uint64_t deadline_ns, const struct reef_tls_target *tls);
/* Whoever waits goes on with nil and an error object that says `code` and `why` (copied). */
void reef_mongo_connection_close(struct reef_mongo_connection *c, const char *code, const char *why);

/* Begins a message in c->out, dropping one that was not finished: where it starts. */
size_t reef_mongo_connection_begin(struct reef_mongo_connection *c);
/* Finishes the one that begins at `start`: it is to be sent with this slice's. Answers its request id. */
int32_t reef_mongo_connection_commit(struct reef_mongo_connection *c, size_t start, uint32_t flags);
/* The request that was just committed, `size` bytes long; the caller suspends `task` on its wait. `timeout_ns` 0: no
 * deadline. The task goes on with the reply, or with nil and an error object. */
struct reef_request *reef_mongo_connection_request(struct reef_mongo_connection *c, struct reef_task *task, int32_t id,
												   size_t size, const char *command, unsigned decode,
												   uint64_t timeout_ns);
/* Lets the running task wait for the next reply of a stream on c->wait. */
void reef_mongo_connection_listen(struct reef_mongo_connection *c, struct reef_task *task, uint64_t timeout_ns);

#endif
