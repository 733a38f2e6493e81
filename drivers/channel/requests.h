/* Requests that coroutines make on a channel of their own, and those who wait for what a server says by itself.
 *
 * Replies belong to requests in their order (pending.h). A request whose deadline passes, or whose coroutine is ended,
 * stays in its place and swallows its reply. Whoever waits is told when the connection ends, and whether his request had
 * left by then. Own slice only.
 */
#ifndef REEF_REQUESTS_H
#define REEF_REQUESTS_H

#include <lua.h>

#include "channel.h"
#include "deadline.h"
#include "failure.h"
#include "pending.h"

struct reef_requests;

/* What a protocol says and does. */
struct reef_requests_protocol {
	const char *name;                     /* in front of a command, where it is said what waits for it */
	const char *codes[REEF_CHANNEL_ENDS]; /* words for the ends of a connection */
	const char *listening;                /* for messages: what a listener waits for */
	/* Goes on with the task, which waited, with the failure. Wakes, and does not resume. */
	void (*fail)(struct reef_requests *r, struct reef_task *task, const struct reef_failure *failure);
	/* A request is dropped with its connection. May be NULL. */
	void (*dropped)(struct reef_requests *r, struct reef_request *request);
};

struct reef_requests {
	struct reef_channel channel; /* first */
	const struct reef_requests_protocol *protocol;
	struct reef_host *host;
	lua_State *build; /* where values are built; anchored by the userdata */
	int failure;      /* see reef_failure_push */
	struct reef_pending pending;
	struct reef_deadline deadline;
	uint64_t grain_ns;          /* reef_deadline_grain() */
	size_t max_tombstones;      /* more end the connection */
	struct reef_task *listener; /* waits for a message */
	uint64_t listener_deadline_ns, listener_since_ns;
	uint64_t asked, answered, late;
};

/* Fills in a closed one, all zero, for the VM that L belongs to. The caller fills in build and failure. */
void reef_requests_init(struct reef_requests *r, lua_State *L, const struct reef_channel_protocol *channel,
						const struct reef_requests_protocol *protocol);
/* For the `release`, `ended` and `cancelled` of the channel's protocol. */
void reef_requests_fini(struct reef_requests *r);
void reef_requests_end(struct reef_requests *r, enum reef_channel_end end, uint64_t sent);
void reef_requests_cancelled(struct reef_channel *c, struct reef_task *task);

/* Appends the request that was just committed, `size` bytes long, whose coroutine the caller suspends on its wait.
 * `timeout_ns` 0: no deadline. The caller sets kind and ref. */
struct reef_request *reef_requests_add(struct reef_requests *r, struct reef_task *task, const char *command,
									   size_t replies, size_t size, uint64_t timeout_ns);
/* Lets the running task wait for a message on channel.wait; the caller suspends it. */
void reef_requests_listen(struct reef_requests *r, struct reef_task *task, uint64_t timeout_ns);
/* Takes out who listens; NULL: nobody does. */
struct reef_task *reef_requests_heard(struct reef_requests *r);
/* Fails a task that has waited since then. */
void reef_requests_fail(struct reef_requests *r, struct reef_task *task, const char *code, const char *outcome,
						const char *command, uint64_t since_ns, const char *why);

#endif
