/* What is kept about a coroutine, and the header that every thread of a VM has in its extra space. Own slice only. */
#ifndef REEF_TASK_PRIVATE_H
#define REEF_TASK_PRIVATE_H

#include <stdint.h>

#include <lua.h>

enum reef_task_state {
	TASK_FREE,  /* in the pool */
	TASK_READY, /* its function lies on its stack; queued as a fork or waiting for a timer */
	TASK_RUNNING,
	TASK_WAITING, /* suspended */
	TASK_WOKEN,   /* suspended, in the queue of wakes or of failures */
	TASK_NONE,    /* not a task: the header of a thread that the dispatcher does not run */
};

enum {
	TASK_OWES = 1,         /* the request has not been answered */
	TASK_FAIL = 2,         /* the wait that it is resumed from shall raise */
	TASK_BROKEN = 4,       /* woken from a sleep before its time */
	TASK_SELF_TOKEN = 8,   /* sleeps on its own coroutine */
	TASK_TABLE_TOKEN = 16, /* sleeps on a token in the table of tokens */
	TASK_UNPACK = 32,      /* the continuation unpacks host->incoming with the protocol's own function */
	TASK_TAGGED = 64,      /* the table of trace tags has it */
	TASK_PASSED_ON = 128,  /* its request was redirected: another service answers */
};

struct reef_task {
	struct reef_host *host;
	lua_State *L;
	struct reef_task *next; /* pool, or the queue that it is in */
	struct reef_task *all_prev, *all_next;
	struct reef_wait *wait; /* of C waiters, NULL for others */
	uint64_t serial;
	int ref; /* anchors L in the registry */
	union {
		int results;    /* values on its stack to be resumed with, when queued */
		uint32_t since; /* when it began to wait (reef_cycles_coarse), while it waits */
	};
	int32_t session; /* of the request that it handles */
	uint32_t source;
	int32_t awaited; /* session that it waits for, 0: none */
	uint8_t state;
	uint8_t flags;
	uint8_t unpack; /* with TASK_UNPACK: the protocol's id */
	uint8_t ptype;  /* of the request that it handles */
};

struct reef_task_queue {
	struct reef_task *head, *tail;
};

static inline struct reef_task *reef_task_header(lua_State *L) {
	return *(struct reef_task **)lua_getextraspace(L);
}
static inline void reef_task_set_header(lua_State *L, struct reef_task *task) {
	*(struct reef_task **)lua_getextraspace(L) = task;
}

static inline int reef_task_close_thread(lua_State *thread, lua_State *from) {
#if LUA_VERSION_RELEASE_NUM >= 50406
	return lua_closethread(thread, from);
#else
	(void)from;
	return lua_resetthread(thread);
#endif
}

#endif
