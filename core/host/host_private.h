/* What the files of the Lua host share: host.c (life of a VM), task.c (coroutines), session.c (what is awaited),
 * dispatch.c (messages to coroutines), lua_core.c and its companions (functions for Lua). Own slice only. */
#ifndef REEF_HOST_PRIVATE_H
#define REEF_HOST_PRIVATE_H

#include <pthread.h>

#include "core/debts.h"
#include "core/message.h"
#include "core/module.h"
#include "host.h"

/* ---- tasks ---- */

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
	int ref;         /* anchors L in the registry */
	int results;     /* values on its stack to be resumed with, when queued */
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

/* ---- sessions ---- */

enum reef_session_kind {
	SESSION_FREE,
	SESSION_CALL,     /* a task waits for the values */
	SESSION_RAW_CALL, /* a task waits for the bytes */
	SESSION_SLEEP,    /* a task waits for the time */
	SESSION_START,    /* a task begins when the timer is due */
	SESSION_FUNCTION, /* a Lua function is to be run by a new task when the timer is due */
	SESSION_POST,     /* a Lua function is to be run by a new task with the reply */
	SESSION_TIMER,    /* a handler in C */
	SESSION_REPLY,    /* a C module waits for the bytes */
	SESSION_BREAK,    /* nobody waits any more: drop what comes */
};

struct reef_session {
	int32_t session;
	uint32_t next; /* in the chain of its bucket or of free entries; index + 1, 0: end */
	uint32_t dest; /* who was asked, 0 for timers */
	uint8_t kind;
	uint8_t ptype; /* whose unpack decodes the reply */
	void *ptr;     /* struct reef_task, reef_c_timer or reef_host_reply */
};

/* Open sessions: entries in a dense array, so that functions waiting for a timer can lie in a Lua array under the same
 * index, and a power of two of buckets. Sessions count up, so their low bits are a perfect hash most of the time. */
struct reef_sessions {
	struct reef_session *entries;
	uint32_t *buckets;
	uint32_t capacity; /* of both */
	uint32_t used;     /* entries ever handed out since the last reset */
	uint32_t free;     /* index + 1 */
	uint32_t count;
};

struct reef_c_timer {
	reef_host_timer handler;
	void *ud;
};

void reef_sessions_fini(struct reef_sessions *sessions);
/* The new entry, valid until the next one is added. */
struct reef_session *reef_sessions_add(struct reef_sessions *sessions, int32_t session, int kind, void *ptr);
struct reef_session *reef_sessions_find(const struct reef_sessions *sessions, int32_t session);
void reef_sessions_remove(struct reef_sessions *sessions, struct reef_session *entry);
static inline uint32_t reef_sessions_index(const struct reef_sessions *sessions, const struct reef_session *entry) {
	return (uint32_t)(entry - sessions->entries);
}

/* ---- protocols ---- */

enum reef_codec {
	CODEC_NONE,
	CODEC_LUA,    /* skynet.pack, skynet.unpack */
	CODEC_STRING, /* skynet.tostring */
	CODEC_USER,   /* a function in the registry */
};

struct reef_protocol {
	char *name;
	size_t name_size;
	int dispatch, pack, unpack; /* registry references, 0: none */
	uint8_t id;
	uint8_t packs, unpacks; /* enum reef_codec */
	int8_t trace;           /* 1: always, 0: never, -1: as the coroutine is traced */
};

/* ---- hosts ---- */

struct reef_response {
	struct reef_host *host; /* NULL once it is used up */
	struct reef_response *prev, *next;
	int32_t session;
	uint32_t source;
	bool dead; /* the requester is gone */
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
	struct reef_task *pool;
	uint32_t pooled, pool_low, pool_window;
	int raw_callback; /* registry; 0: the dispatcher */
	uint64_t serial;  /* of the last task */
	struct reef_task_queue wakes, failures, forks;
	struct reef_sessions sessions;
	const struct reef_message *incoming; /* the message being dispatched */
	struct reef_protocol *protocols;     /* [0] is always `lua` */
	int protocol_count;
	uint32_t trace_pending; /* tags announced for requests to come */
	uint32_t profiled;
	int interrupt;         /* set by other threads: make it raise */
	bool sessions_wrapped; /* numbers begin anew: some may still be in use */
	bool raw_forward;
	bool booted;           /* the main chunk has been run */
	bool collector_chosen; /* collectgarbage has set a mode */
	bool completed;        /* the table skynet has its rarely used part */
	bool exiting;
	bool no_warnings;
	bool no_limit; /* allocation must not fail now: no protected call is active */
	size_t memory, memory_limit, memory_report;
	char *errors;            /* what went wrong in this turn */
	struct reef_host *outer; /* on the same thread, while this one is inside the engine's call */
	pthread_t thread;        /* that runs it now; 0: none. Read by others */

	struct reef_task none;    /* header of the main thread and of coroutines that user code makes */
	struct reef_task blocked; /* header of a user's coroutine while it is suspended by a wait of its task */
	struct reef_task gone;    /* header of a coroutine whose task has been dropped */
	struct reef_task *all;
	struct reef_task *spare;        /* memory of dropped tasks, kept so that an old pointer can be looked at */
	struct reef_task *exiting_task; /* the one that called skynet.exit */
	struct reef_response *responses;
	struct reef_debts debts;
	int32_t raw_session; /* the request that a raw callback has, 0 once somebody answers */
	uint32_t raw_source;
	uint32_t lost_source; /* of the request that was last redirected to nobody */
	int32_t lost_session;
	bool (*intercept)(void *ud, struct reef_message *m);
	void *intercept_ud;
	int functions;       /* registry: sessions' index + 1 -> function */
	int tokens;          /* registry: token -> task; 0 until needed */
	int unknown_request; /* registry; 0: the default */
	int unknown_response;
	uint32_t trace_count; /* tags made */
	char *args;           /* until the VM is booted */
	char *warning;        /* the pieces so far */
	size_t errors_size;
};

static inline struct reef_task *reef_task_header(lua_State *L) {
	return *(struct reef_task **)lua_getextraspace(L);
}
static inline void reef_task_set_header(lua_State *L, struct reef_task *task) {
	*(struct reef_task **)lua_getextraspace(L) = task;
}
static inline struct reef_host *reef_host_get(lua_State *L) {
	return reef_task_header(L)->host;
}

/* ---- task.c ---- */

/* A task whose thread is empty. */
struct reef_task *reef_task_new(struct reef_host *host);
/* Its thread is emptied and goes into the pool. */
void reef_task_give_back(struct reef_task *task);
/* Runs it with the function and `n` arguments on its stack, or goes on with `n` results. */
void reef_task_run(struct reef_task *task, int n);
/* Queues a READY task. */
void reef_task_fork(struct reef_task *task);
/* Ends a task that does not run: its wait is cancelled, its request answered with an error, its coroutine closed. */
void reef_task_kill(struct reef_task *task, const char *reason);
/* All that is due at the end of a turn: wakes, failures, forks. */
void reef_task_turn(struct reef_host *host);
/* Takes back a wait: what it waited for is forgotten. */
void reef_task_cancel_wait(struct reef_task *task);
/* Ends a C function with a wait of the host's own (no struct reef_wait). */
int reef_task_block(lua_State *L, struct reef_task *task, lua_KFunction k);
/* Kills all tasks, the one that asked for the end last. */
void reef_tasks_fini(struct reef_host *host);
/* What went wrong, with its traceback, joins the turn's report; the message alone is left on host->L as a string. */
void reef_task_report(struct reef_host *host, lua_State *failed);
int reef_thread_close(lua_State *thread, lua_State *from);
/* Queues a waiting task among the failed calls, with `n` values on its thread. */
void reef_task_wake_failure(struct reef_task *task, int n);
/* Takes the task out of the table of tokens. */
void reef_task_forget_token(struct reef_task *task);
/* The structs, once the VM is closed. */
void reef_tasks_free(struct reef_host *host);

/* ---- coroutine.c ---- */

/* Puts resume and wrap that let waits pass through into the library's table on top of the stack. */
void reef_coroutine_open(lua_State *L);

/* ---- dispatch.c ---- */
void reef_host_callback(struct reef_service *service, void *ud, struct reef_message *m);
/* One message through the dispatcher; the caller ends the turn. */
void reef_dispatch(struct reef_host *host, struct reef_message *m);
struct reef_protocol *reef_protocol_by_id(struct reef_host *host, int id);
struct reef_protocol *reef_protocol_by_name(struct reef_host *host, const char *name, size_t size);
struct reef_protocol *reef_protocol_add(struct reef_host *host, const char *name, int id);
void reef_protocols_fini(struct reef_host *host);
/* `source` is down: calls to it fail, replies owed to it are dropped. */
void reef_dispatch_down(struct reef_host *host, uint32_t source);
/* Writes the turn's errors to the log. `m` may be NULL. */
void reef_host_flush_errors(struct reef_host *host, const struct reef_message *m);
/* Nobody in the service will answer that request: with an error now if it is lost, at the service's end otherwise. */
void reef_host_left_open(struct reef_host *host, uint32_t source, int32_t session, int type);
/* The request is answered, or passed on to another service. */
void reef_host_settled(struct reef_host *host, uint32_t source, int32_t session);
/* Answers a task's request with PTYPE_ERROR if it still owes an answer. */
void reef_task_answer_error(struct reef_task *task, const char *reason);

/* ---- host.c ---- */
/* A session number that nothing waits for. */
int32_t reef_host_new_session(struct reef_host *host);
extern const struct reef_module reef_snlua_module;
void reef_host_enter(struct reef_host *host);
void reef_host_leave(struct reef_host *host);

#endif
