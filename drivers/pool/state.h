/* A pool: connections that one service owns for all others of the process.
 *
 * The service is a Lua one whose messages are seen by this C half first. Requests come as bytes (wire.h), are put behind
 * each other into the output of a connection, and leave in one write at the end of the slice; replies are cut where they
 * end (frame.h) and sent back as they are. Nothing here is a Lua value. The Lua half (reef.pool.service) connects, logs
 * in, resizes, checks and ends; it learns what is wanted through pool_wait.
 *
 *   - Shared connections serve everybody, up to `window` requests at a time. What finds no room waits in a queue that is
 *     fair: a list for each caller, served in turn.
 *   - Requests of one caller, or with one key, keep their order: while any of them is on its way, the next ones go to
 *     the same connection (a *lane*), or wait.
 *   - Pinned connections serve one caller at a time. One may become a stream: then he asks for what has come.
 *   - A request that nobody waits for any more keeps its place as a tombstone; a connection whose order of replies is in
 *     doubt is closed.
 *
 * All functions: the service's own slice.
 */
#ifndef REEF_POOL_STATE_H
#define REEF_POOL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "core/histogram.h"
#include "core/host/host.h"
#include "core/message.h"
#include "core/ptrmap.h"
#include "drivers/channel/channel.h"
#include "drivers/channel/deadline.h"
#include "drivers/channel/pending.h"
#include "frame.h"
#include "wire.h"

struct reef_pool;
struct reef_pool_connection;
struct reef_pool_caller;

/* A request, from its arrival to its reply. */
struct reef_pool_node {
	struct reef_pool_node *next;
	uint32_t source; /* 0: nobody waits */
	int32_t session;
	uint64_t since_ns, deadline_ns, queue_deadline_ns;
	uint64_t position; /* of its first byte in the connection's output */
	uint64_t order;
	struct reef_task *task; /* of our own Lua half, when it asked */
	char *bytes;            /* while it waits in a queue */
	size_t size;
	uint32_t expect; /* see frame.h */
	uint32_t kind;
	bool in_lane; /* of its order; see lane.h */
};

/* Where requests of one order go to as long as there are any. */
struct reef_pool_lane {
	uint64_t order; /* 0: an empty place */
	struct reef_pool_connection *connection;
	size_t flying; /* on it */
};

struct reef_pool_lanes {
	struct reef_pool_lane *slots;
	size_t capacity, used; /* places, and those that are not empty */
};

struct reef_pool_list {
	struct reef_pool_node *head, **tail;
	size_t count;
};

struct reef_pool_connection {
	struct reef_channel channel; /* first */
	struct reef_pool *pool;      /* NULL: it was removed */
	struct reef_pool_connection *next;
	uint32_t number;
	bool pinned;                     /* of the kind that serves one at a time */
	bool taken;                      /* pinned: somebody has it */
	bool checking;                   /* pinned: it was given back and is being looked at */
	uint32_t holder;                 /* caller that has it */
	uint32_t pin;                    /* what that caller knows it by */
	int32_t asked;                   /* session in which he got it */
	struct reef_pool_list flying;    /* sent, in order of their replies */
	struct reef_pool_node *listener; /* of a stream (frames.stream): whoever has it waits for what comes */
	bool paused;                     /* a stream of which too much waits to be asked for */
	size_t tombstones;
	unsigned batch; /* requests gathered since the last flush */

	char *in;
	size_t in_size, in_capacity;
	bool starved;   /* there was no memory to read into */
	bool answering; /* what is being read is for the oldest of `flying` */
	struct reef_frames frames;

	struct reef_task *mourner; /* waits for the end */
	uint64_t used_ns;
	uint64_t requests;
};

/* Kinds of our own, beside those of wire.h. */
enum {
	REEF_POOL_ASK = 100, /* the Lua half asks: `task` waits */
	REEF_POOL_PROBE,     /* is that connection clean? */
	REEF_POOL_EXECUTE,   /* nobody waits for the reply, and none the less it is no tombstone */
};

enum { REEF_POOL_ANY, REEF_POOL_BY_CALLER, REEF_POOL_BY_KEY };

/* What the Lua half is told. */
enum {
	REEF_POOL_WANT_PINNED = 1, /* somebody waits for a pinned connection */
	REEF_POOL_WANT_SHARED = 2, /* requests are queued */
	REEF_POOL_POKED = 8,       /* by itself */
	REEF_POOL_IDLE = 4,        /* nothing is queued, on its way or held */
};

struct reef_pool_options {
	size_t window;      /* requests on their way on one shared connection */
	size_t queue;       /* requests that wait, in all */
	size_t queue_bytes; /* the same in bytes */
	size_t unsent;      /* bytes that wait to be sent on one connection */
	size_t tombstones;
	size_t limit;      /* bytes of one answer */
	uint64_t queue_ns; /* time in the queue */
	uint64_t stall_ns; /* without a byte while replies are owed: then the connection is dead */
	uint64_t slow_ns;  /* requests that took longer are counted; 0: none */
	int routing;
};

struct reef_pool_counters {
	uint64_t requests, replies, rejected, overload, timeouts, lost, refused, late, cancelled, slow;
	uint64_t bytes_out, bytes_in, connects;
};

/* What lower files tell upper ones. */
struct reef_pool_hooks {
	void (*room)(struct reef_pool *pool);   /* a shared connection may have room for what has waited */
	void (*pinned)(struct reef_pool *pool); /* a pinned connection is free, or gone */
};

struct reef_pool {
	struct reef_host *host;
	const struct reef_pool_hooks *hooks;
	const struct reef_pool_protocol *protocol;
	struct reef_pool_options options;
	struct reef_pool_counters counters;
	struct reef_histogram total, queued; /* of nanoseconds */
	struct reef_pool_connection *connections;
	struct reef_pool_connection *batching; /* takes this slice's requests */
	uint32_t numbers, pins;
	size_t flying; /* on all connections, tombstones included */

	/* The queue. */
	struct reef_ptrmap callers;                 /* by their handles + 1, those who have something queued */
	struct reef_pool_caller *turn, **turn_tail; /* in the order in which they are served */
	size_t waiting, waiting_bytes;              /* requests */
	struct reef_pool_list wanting;              /* for pinned connections */

	struct reef_ptrmap wills; /* by source and number */
	struct reef_pool_lanes lanes;
	struct reef_pool_node *spare_nodes;
	struct reef_pool_caller *spare_callers;

	struct reef_deadline deadline;
	struct reef_deferred turn_over; /* end of the slice */
	bool in_turn;
	uint64_t now_ns; /* of this slice */

	bool accepting;
	bool down; /* no server can be reached, and nobody waits for one: `down_why` */
	uint8_t down_code;
	char down_why[120];

	struct reef_wait wait;
	struct reef_task *watcher; /* our Lua half */
	int events, interest;
	bool woke; /* a task of our Lua half goes on when the turn ends */
};

/* The time of this slice. */
uint64_t reef_pool_now(struct reef_pool *pool);
/* Tells the Lua half. */
void reef_pool_notify(struct reef_pool *pool, int events);
/* Says so, if somebody wants to know and it is so, that nothing is queued, on its way or held. */
void reef_pool_check_idle(struct reef_pool *pool);
/* Answers, and frees the node, which is in no list any more. */
void reef_pool_reply(struct reef_pool *pool, struct reef_pool_node *node, const char *bytes, size_t n);
/* The same with a block from reef_malloc, which is taken; for somebody in another service. */
void reef_pool_reply_block(struct reef_pool *pool, struct reef_pool_node *node, char *block, size_t n);
void reef_pool_fail(struct reef_pool *pool, struct reef_pool_node *node, uint8_t code, bool sent, const char *why);
struct reef_pool_node *reef_pool_node_new(struct reef_pool *pool);
void reef_pool_node_free(struct reef_pool *pool, struct reef_pool_node *node);
/* The end of a slice, as `turn_over` of a pool; frees one that has ended. */
void reef_pool_turn_over(struct reef_deferred *deferred);

/* Its reply is for nobody. */
static inline bool reef_pool_is_tombstone(const struct reef_pool_node *node) {
	return node->source == 0 && node->task == NULL && node->kind < REEF_POOL_PROBE;
}

/* Is there room on it for another request? */
static inline bool reef_pool_has_room(const struct reef_pool *pool, struct reef_pool_connection *c) {
	return c->channel.state == REEF_CHANNEL_OPEN && c->flying.count < pool->options.window &&
		   !reef_channel_is_full(&c->channel);
}

static inline void reef_pool_list_init(struct reef_pool_list *list) {
	*list = (struct reef_pool_list){.tail = &list->head};
}
static inline void reef_pool_list_push(struct reef_pool_list *list, struct reef_pool_node *node) {
	node->next = NULL;
	*list->tail = node;
	list->tail = &node->next;
	list->count++;
}
static inline struct reef_pool_node *reef_pool_list_pop(struct reef_pool_list *list) {
	struct reef_pool_node *node = list->head;
	if (node) {
		list->head = node->next;
		if (list->head == NULL)
			list->tail = &list->head;
		list->count--;
	}
	return node;
}

#endif
