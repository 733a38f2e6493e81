/* What a stream socket still has to send: two queues of blocks.
 *
 * Normal output goes first; low-priority writes ("packets") leave one at a time while there is none, and one that is
 * half sent is completed before anything else, so that it reaches the peer in one piece. Small normal writes share a
 * block. The queue owns its blocks, or shares them with other queues. No locking: the caller's.
 */
#ifndef REEF_SOCKET_WQUEUE_H
#define REEF_SOCKET_WQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "core/list.h"
#include "core/message.h"
#include "socket.h"

struct reef_wqueue {
	struct reef_list normal, low;
	size_t size; /* bytes in both */
};

void reef_wqueue_init(struct reef_wqueue *q);
/* Frees everything that is queued. */
void reef_wqueue_clear(struct reef_wqueue *q);

/* Copies n bytes. False: out of memory, nothing changed. */
bool reef_wqueue_push(struct reef_wqueue *q, const void *bytes, size_t n, enum reef_priority priority);
/* Takes a block from reef_malloc. */
void reef_wqueue_push_take(struct reef_wqueue *q, void *block, size_t n, enum reef_priority priority);

/* The payload's bytes, which are not copied: the queue is one of its holders until they are sent. */
void reef_wqueue_push_shared(struct reef_wqueue *q, struct reef_payload *payload);

/* Fills at most `max` vectors with what to send next, in order; returns how many. */
int reef_wqueue_gather(const struct reef_wqueue *q, struct iovec *iov, int max);
/* The first n <= size bytes of that order have been sent. */
void reef_wqueue_sent(struct reef_wqueue *q, size_t n);

#endif
