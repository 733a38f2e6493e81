/* One Lua VM: the struct that the files of this room work on. Own slice only, but for what says otherwise. */
#ifndef REEF_HOST_PRIVATE_H
#define REEF_HOST_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "core/debts.h"
#include "core/list.h"
#include "core/message.h"
#include "core/module.h"
#include "core/seam.h"
#include "host.h"
#include "session.h"
#include "task_private.h"

enum { REEF_BLOCK_UNIT = 16 };

struct reef_host_seam;
struct reef_protocol;

/* What a session of kind SESSION_TIMER has. */
struct reef_c_timer {
	reef_host_timer handler;
	void *ud;
};

/* Who sees each message before the dispatcher. */
struct reef_intercept {
	bool (*take)(void *ud, struct reef_message *m);
	void *ud;
};

struct reef_host {
	/* What every message looks at comes first. */
	lua_State *L;
	struct reef_service *service;
	uint32_t handle;
	int32_t last_session;
	struct reef_task *running;
	struct reef_task *last_waiter; /* the last one that has begun to wait */
	lua_State *active;             /* the innermost coroutine that runs */
	lua_State *from;               /* who resumes tasks: NULL, or the thread of a raw callback */
	struct reef_seam_holder holder;
	struct reef_task *pool;
	uint32_t pooled, pool_low;
	uint16_t pool_window;
	uint16_t block_units; /* of REEF_BLOCK_UNIT bytes: the block that a VM which is a copy lies in; 0: this is none */
	int raw_callback;     /* registry; 0: the dispatcher */
	uint64_t serial;      /* of the last task */
	struct reef_task_queue wakes, failures, forks;
	struct reef_sessions sessions;
	const struct reef_message *incoming; /* the message being dispatched */
	struct reef_protocol *protocols;     /* [0] is always `lua` */
	uint16_t protocol_count;
	bool from_template; /* its main function had run in the VM that it is a copy of */
	bool fresh;         /* the same, and its start function has not returned yet: its collector is as it was there */
	uint32_t trace_pending; /* tags announced for requests to come */
	uint32_t profiled;
	uint32_t errors_size;
	uint8_t pool_dropped;      /* of 256 parts of the VM: threads, since a whole collection was due for them */
	bool sessions_wrapped : 1; /* numbers begin anew: some may still be in use */
	bool raw_forward : 1;
	bool booted : 1;           /* the main chunk has been run */
	bool collector_chosen : 1; /* collectgarbage has set a mode */
	bool completed : 1;        /* the table skynet has its rarely used part */
	bool exiting;
	uint8_t block_left;     /* of REEF_BLOCK_UNIT bytes: how much is free at the end of the block */
	bool no_limit : 1;      /* allocation must not fail now: no protected call is active */
	uint16_t entered_again; /* times that it was entered while it was */
	size_t memory, memory_limit, memory_report;
	char *errors;                   /* what went wrong in this turn */
	struct reef_seam_holder *outer; /* of the host that is inside the engine's call meanwhile, on the same thread */
	pthread_t thread;               /* that runs it now; 0: none. Read by others */

	struct reef_task none;    /* header of the main thread and of coroutines that user code makes */
	struct reef_task blocked; /* header of a user's coroutine while it is suspended by a wait of its task */
	struct reef_task gone;    /* header of a coroutine whose task has been dropped */
	struct reef_task *all;
	struct reef_task *spare;        /* memory of dropped tasks, kept so that an old pointer can be looked at */
	struct reef_task *exiting_task; /* the one that called skynet.exit */
	struct reef_list responses;     /* of struct reef_response */
	struct reef_debts debts;
	int32_t raw_session; /* the request that a raw callback has, 0 once somebody answers */
	uint32_t raw_source;
	uint32_t lost_source; /* of the request that was last redirected to nobody */
	int32_t lost_session;
	struct reef_intercept *intercept; /* NULL: messages go to the dispatcher first */
	int functions;                    /* registry: sessions' index + 1 -> function */
	int tokens;                       /* registry: token -> task; 0 until needed */
	int unknown_request;              /* registry; 0: the default */
	int unknown_response;
	uint32_t trace_count; /* tags made */
	uint8_t interrupt;    /* set by other threads: make it raise */
	bool no_warnings;
	char *args;    /* until the VM is booted */
	char *warning; /* the pieces so far */
};

_Static_assert(sizeof(struct reef_host) <= 640, "beyond that each service costs the allocator's next size, 768");

/* The block in which a VM that is a copy lies, NULL of others. The VM's main thread comes first in it. */
static inline char *reef_host_block(const struct reef_host *host) {
	return host->block_units == 0 ? NULL : (char *)host->L - LUA_EXTRASPACE;
}

static inline size_t reef_host_block_size(const struct reef_host *host) {
	return (size_t)host->block_units * REEF_BLOCK_UNIT;
}

/* A host without a VM. Freed with reef_free. */
struct reef_host *reef_host_new(struct reef_service *service);
/* Closes the VM and frees its block. */
void reef_host_end_vm(struct reef_host *host);

static inline struct reef_host *reef_host_get(lua_State *L) {
	return reef_task_header(L)->host;
}

/* NULL: it has none. */
static inline struct reef_host_seam *reef_host_seam_of(const struct reef_host *host) {
	return (struct reef_host_seam *)host->holder.seam;
}

#endif
