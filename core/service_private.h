/* The inside of a service, for the files of core that work on one: its mailbox, its life, who runs it. */
#ifndef REEF_SERVICE_PRIVATE_H
#define REEF_SERVICE_PRIVATE_H

#include <stdatomic.h>
#include <stdio.h>

#include "counter.h"
#include "message.h"
#include "service.h"
#include "warm.h"

/* The mailbox has two parts. Senders push onto `inbox`, a stack; the worker takes the whole stack at once and turns it
 * into `queue`, which only it touches. `inbox` also says whether the service is scheduled: REEF_INBOX_IDLE means that
 * it is not, and whoever replaces that value by a message must schedule it. So a push is one compare-and-swap. */
#define REEF_INBOX_IDLE ((struct reef_message *)1)

struct reef_service {
	/* What every slice looks at, in two cache lines. */
	_Alignas(REEF_LINE) _Atomic(struct reef_message *) inbox;
	struct reef_message *queue, **queue_tail;
	reef_counter queued;         /* messages in `queue` */
	reef_counter overload_limit; /* queue length at which the next overload line is written */
	uint32_t handle;
	int32_t session;
	atomic_bool ending;
	atomic_bool endless;
	atomic_bool lazy;
	atomic_bool counted;   /* senders count what they push: there is a limit, or the service is stuck */
	uint32_t slice_cycles; /* moving average of the length of a slice */
	uint32_t last_slice;   /* number of the worker's slice that ran it last */
	uint32_t due_since;    /* when it was scheduled, if that was looked at (delay.h); 0: it was not */
	reef_callback callback;
	void *callback_ud;
	void (*turn_end)(struct reef_service *service, void *ud);
	_Atomic(FILE *) message_log;
	reef_counter cycles; /* spent in finished messages */
	reef_counter messages;
	reef_counter message_start; /* cycle counter at the start of the current message */
	const struct reef_module *module;
	_Atomic(void *) instance; /* others may look while it is made: what can be seen here is whole */

	struct reef_warm warm;

	atomic_bool hooked;           /* has a shutdown hook that has not returned */
	atomic_uchar log_level;       /* from which on its lines are written */
	atomic_bool mourned;          /* those who wait for it were told that it ends */
	uint64_t overload_time;       /* cycle counter at the last overload line */
	char *description;            /* `module args`, as launched; owned */
	reef_counter errors;          /* that nobody caught */
	_Atomic(reef_counter *) slow; /* slow messages by kind, NULL if there were none; owned */
	struct reef_event end;        /* pushed by whoever ends the service, so that a worker gets to release it */

	/* Written by senders, but only while `counted`. */
	struct {
		_Alignas(REEF_LINE) _Atomic uint64_t messages, bytes; /* that wait */
		_Atomic uint64_t most_messages, most_bytes;           /* 0: any number */
		_Atomic uint64_t refused, refused_ns;                 /* how many, and when that was last said */
	} mailbox;
};

static inline unsigned reef_service_kind_of(const struct reef_message *m) {
	if (m->flags & REEF_MESSAGE_EVENT)
		return REEF_SERVICE_EVENT;
	return m->type <= REEF_PTYPE_TRACE ? m->type : REEF_SERVICE_OTHER;
}

#endif
