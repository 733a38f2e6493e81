/* Requests that wait for their reply on one connection, in the order in which the replies will come.
 *
 * Each request was put on the wire and is owed a number of replies. Whoever waits for it may go away before they come:
 * his deadline passes, or his coroutine is ended. The request then stays in its place as a *tombstone* that swallows its
 * replies, so that the ones behind it stay matched. Requests live in memory of this list and are used again, because a
 * busy connection makes a million of them a second. No locks: all calls come from the owner's slice.
 */
#ifndef REEF_PENDING_H
#define REEF_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "core/host/host.h"

#define REEF_NO_DEADLINE UINT64_MAX

struct reef_pending;

struct reef_request {
	struct reef_wait wait; /* first: what the task is suspended on */
	struct reef_request *next;
	struct reef_pending *pending;
	struct reef_task *task; /* NULL: a tombstone */
	uint64_t sent_ns;
	uint64_t deadline_ns; /* REEF_NO_DEADLINE: waits for ever */
	size_t replies;       /* still to come */
	const char *command;  /* for messages; outlives the request */
	uint64_t position;    /* the driver's: where its bytes begin */
	int kind;             /* the driver's: what to do with the replies */
	int ref;              /* the driver's */
};

struct reef_pending {
	struct reef_request *head;
	struct reef_request **tail;
	struct reef_request *spare;
	size_t requests;   /* in the list, tombstones included */
	size_t tombstones; /* of which nobody waits for */
	/* A task that waited was ended (killed, or its service is going): its request is a tombstone now. May be NULL. */
	void (*abandoned)(struct reef_pending *pending, struct reef_request *request);
};

void reef_pending_init(struct reef_pending *pending);
/* Frees the memory. Nobody may be waiting any more. */
void reef_pending_fini(struct reef_pending *pending);

/* Appends a request for which `task` waits for `replies` (> 0) replies. task NULL: nobody waits, replies are dropped.
 * The caller sets kind, ref, command and wait.what. Never NULL. */
struct reef_request *reef_pending_add(struct reef_pending *pending, struct reef_task *task, size_t replies);

/* Takes the oldest request out of the list; it stays readable until the next call that adds one. */
void reef_pending_pop(struct reef_pending *pending);

/* Nobody waits for it any more; its replies will be dropped. */
void reef_pending_bury(struct reef_request *request);

/* The oldest request at or behind `from` (NULL: behind nothing, NULL is returned) that somebody waits for and whose
 * deadline is not after now_ns. */
struct reef_request *reef_pending_due(struct reef_request *from, uint64_t now_ns);
/* The nearest deadline of those somebody waits for, or REEF_NO_DEADLINE. */
uint64_t reef_pending_nearest(const struct reef_pending *pending);

#endif
