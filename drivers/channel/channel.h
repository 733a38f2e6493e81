/* A connection to a server, whatever is spoken there: its life, bytes out and in, statistics.
 *
 * A protocol puts the struct at the head of its own and gives it a table of functions. What is written in a slice is
 * gathered here and leaves in one write at its end. How far the bytes have left is known at any time, so that a failure
 * can say whether a request was sent. The object is counted: whoever made it holds one reference, callbacks and output
 * under way hold others. It may be connected again after it was closed. Own slice only.
 */
#ifndef REEF_CHANNEL_H
#define REEF_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/host/host.h"
#include "core/slice.h"
#include "output.h"

struct reef_channel;
struct reef_tls_target;

enum reef_channel_state {
	REEF_CHANNEL_CLOSED,
	REEF_CHANNEL_CONNECTING,
	REEF_CHANNEL_LOGIN, /* connected, but only for who makes the connection ready */
	REEF_CHANNEL_OPEN,
	REEF_CHANNEL_DRAINING, /* finishes what it has, and takes nothing new */
};

/* Why a connection ends. */
enum reef_channel_end {
	REEF_CHANNEL_GIVEN_UP, /* we do not want it any more */
	REEF_CHANNEL_LOST,     /* the peer or the network ended it */
	REEF_CHANNEL_SILENT,   /* replies do not come */
	REEF_CHANNEL_GARBLED,  /* what came does not fit */
	REEF_CHANNEL_OVER,     /* whoever has it ends */
	REEF_CHANNEL_ENDS,
};

/* What a protocol does. All but `data`, `refused`, `ended` and `release` may be NULL. */
struct reef_channel_protocol {
	const char *connecting; /* what a coroutine waits for that connects */
	/* As of a sink (socket.h). */
	char *(*room)(struct reef_channel *c, size_t *n);
	void (*data)(struct reef_channel *c, const char *bytes, size_t n);
	/* It is connected: in the state REEF_CHANNEL_LOGIN, unless this changes it. */
	void (*opened)(struct reef_channel *c);
	/* Goes on with the coroutine that wanted to connect: that failed, see c->lost. */
	void (*refused)(struct reef_channel *c, struct reef_task *task, enum reef_channel_end end);
	/* It is over, see c->lost; of what was gathered `sent` bytes had left. Tells all who wait, and forgets what has been
	 * received. Wakes, and does not resume. */
	void (*ended)(struct reef_channel *c, enum reef_channel_end end, uint64_t sent);
	/* A coroutine that waits on c->wait, and not for the connect, is ended. */
	void (*cancelled)(struct reef_channel *c, struct reef_task *task);
	/* What was gathered, n bytes, has been handed to the socket. */
	void (*flushed)(struct reef_channel *c, size_t n);
	/* Much waits to be sent, or (0) nothing more. */
	void (*warned)(struct reef_channel *c, size_t bytes);
	/* Nobody has it any more: frees it. */
	void (*release)(struct reef_channel *c);
};

struct reef_channel {
	const struct reef_channel_protocol *protocol;
	int references;
	enum reef_channel_state state;
	int socket;
	unsigned incarnation; /* counts connects and ends, so that callbacks notice that theirs is over */

	struct reef_output out; /* gathered in this slice */
	struct reef_deferred flush;
	bool flush_queued;
	bool delivering;   /* `data` runs; what it makes may run the collector, and with it what ends us */
	uint64_t gathered; /* bytes of this connection that were ever committed */
	uint64_t handed;   /* of these, how many the socket had been given when what is being read came */
	uint64_t left;     /* of these, how many had left when that was last looked at */
	size_t warning;    /* what the socket said last about its unsent bytes */
	size_t max_unsent; /* bytes; 0: no limit */

	struct reef_wait wait;    /* of the opener, and of others of the protocol's */
	struct reef_task *opener; /* waits for the connect */
	char lost[320];           /* why it ended last */
	unsigned missed;          /* times in a row that replies were waited for in vain ... */
	uint64_t missed_ns;       /* ... the last of them */
	uint64_t opening_ns, opened_ns;
	uint64_t heard_ns, lost_ns; /* when something came last, if the protocol notes that; when it ended last */
	uint64_t bytes_in, bytes_out, connects; /* of all its connections */
};

/* Fills in a closed channel, all zero, with one reference. */
void reef_channel_init(struct reef_channel *c, const struct reef_channel_protocol *protocol);
void reef_channel_ref(struct reef_channel *c);
void reef_channel_unref(struct reef_channel *c);

/* Starts a connect for the running task, which the caller suspends on c->wait. It goes on with `true`, or with what
 * `refused` gives it. NULL, or a text: it cannot even be tried. `tls` may be NULL. `deadline_ns` as of reef_socket_open. */
const char *reef_channel_connect(struct reef_channel *c, struct reef_task *task, const char *host, int port,
								 uint64_t deadline_ns, const struct reef_tls_target *tls);
/* Ends the connection, if there is one. `why` is copied. */
void reef_channel_close(struct reef_channel *c, enum reef_channel_end end, const char *why);

/* ---- replies ---- */

/* May what is being read be a reply to the request whose bytes begin at that place in what was gathered? Not if the
 * request had not left when it came: then the server has said something that nobody asked for. */
static inline bool reef_channel_may_answer(const struct reef_channel *c, uint64_t position) {
	return position < c->handed;
}
/* Somebody has got his reply in time. */
static inline void reef_channel_served(struct reef_channel *c) {
	c->missed = 0;
}
/* A request that was sent at `sent_ns` was given up. Those that were on their way together count as one. True: that has
 * been so often in a row that the connection must be dead, or its replies out of step; it is closed. */
bool reef_channel_missed(struct reef_channel *c, uint64_t sent_ns);

/* ---- output ---- */

/* Sees to it that what is committed in c->out leaves with this slice's. */
void reef_channel_send(struct reef_channel *c);
/* What was written to c->out is to be sent; returns how many bytes. */
static inline size_t reef_channel_commit(struct reef_channel *c) {
	size_t n = reef_output_commit(&c->out);
	c->gathered += n;
	if (!c->flush_queued)
		reef_channel_send(c);
	return n;
}
/* Sends a copy of those bytes. False: no memory. */
bool reef_channel_put(struct reef_channel *c, const char *bytes, size_t n);
/* Sends the first n bytes of a block from reef_malloc, which is taken unless there is no memory. */
bool reef_channel_give(struct reef_channel *c, char *block, size_t n, size_t capacity);

/* Bytes that have been committed and have not left. */
size_t reef_channel_unsent(const struct reef_channel *c);
/* Of the bytes that were ever gathered on this connection, how many have left? */
static inline uint64_t reef_channel_sent(const struct reef_channel *c) {
	return c->gathered - reef_channel_unsent(c);
}
/* Does as much wait to be sent as may? Asks the socket. */
bool reef_channel_is_full_now(struct reef_channel *c);
/* The same for every request: asks only when so much was gathered since the last time that it may be. */
static inline bool reef_channel_is_full(struct reef_channel *c) {
	return c->max_unsent > 0 && c->gathered - c->left >= c->max_unsent && reef_channel_is_full_now(c);
}

#endif
