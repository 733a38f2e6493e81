/* Open sessions of a host: what each number that was sent out is awaited by. Own slice only. */
#ifndef REEF_SESSION_H
#define REEF_SESSION_H

#include <stdint.h>

#include <lua.h>

struct reef_host;
struct reef_host_reply;

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

void reef_session_fini(struct reef_sessions *sessions);
/* The new entry, valid until the next one is added. */
struct reef_session *reef_session_add(struct reef_sessions *sessions, int32_t session, int kind, void *ptr);
struct reef_session *reef_session_find(const struct reef_sessions *sessions, int32_t session);
void reef_session_remove(struct reef_sessions *sessions, struct reef_session *entry);
static inline uint32_t reef_session_index(const struct reef_sessions *sessions, const struct reef_session *entry) {
	return (uint32_t)(entry - sessions->entries);
}

/* Removes it from the host's table. */
void reef_session_close(struct reef_host *host, struct reef_session *entry);
/* The value at `index` of L becomes what the entry with index `at` runs. */
void reef_session_keep_at(lua_State *L, struct reef_host *host, int at, int index);
/* The same for that entry. */
void reef_session_keep_function(lua_State *L, struct reef_host *host, const struct reef_session *entry, int index);
/* Takes the function of the entry with that index out of the table, onto a stack of the host's. */
void reef_session_take_function(lua_State *L, struct reef_host *host, uint32_t index);

#endif
