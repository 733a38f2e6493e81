/* Open sessions of a host: what each number that was sent out is awaited by.
 *
 * A dense array of entries with a free list, and buckets with chains of indexes. Adding and removing are a handful of
 * instructions and never move an entry except when the array grows. It is given back when the last session closes
 * after a rush. The house's own table (core/ptrmap.h) has no indexes that stay. Owned by the host; own slice only. */
#include "session.h"

#include <string.h>

#include <lua.h>

#include "core/alloc.h"
#include "host_private.h"

enum { FIRST_CAPACITY = 8, KEPT_CAPACITY = 1024 };

static uint32_t *session_bucket(const struct reef_sessions *sessions, int32_t session) {
	return &sessions->buckets[(uint32_t)session & (sessions->capacity - 1)];
}

static void sessions_grow(struct reef_sessions *sessions) {
	uint32_t capacity = sessions->capacity ? sessions->capacity * 2 : FIRST_CAPACITY;
	sessions->entries = reef_realloc(sessions->entries, capacity * sizeof(*sessions->entries));
	reef_free(sessions->buckets);
	sessions->buckets = reef_calloc(capacity, sizeof(*sessions->buckets));
	sessions->capacity = capacity;
	for (uint32_t i = 0; i < sessions->used; i++) {
		uint32_t *bucket = session_bucket(sessions, sessions->entries[i].session);
		sessions->entries[i].next = *bucket;
		*bucket = i + 1;
	}
}

void reef_session_fini(struct reef_sessions *sessions) {
	for (uint32_t i = 0; i < sessions->used; i++)
		if (sessions->entries[i].kind == SESSION_TIMER)
			reef_free(sessions->entries[i].ptr);
	reef_free(sessions->entries);
	reef_free(sessions->buckets);
	memset(sessions, 0, sizeof(*sessions));
}

inline struct reef_session *reef_session_add(struct reef_sessions *sessions, int32_t session, int kind, void *ptr) {
	uint32_t index;
	if (sessions->free) {
		index = sessions->free - 1;
		sessions->free = sessions->entries[index].next;
	} else {
		/* Growing finds every entry in use: the free list is empty. */
		if (sessions->used == sessions->capacity)
			sessions_grow(sessions);
		index = sessions->used++;
	}
	struct reef_session *entry = &sessions->entries[index];
	uint32_t *bucket = session_bucket(sessions, session);
	*entry = (struct reef_session){.session = session, .next = *bucket, .kind = (uint8_t)kind, .ptr = ptr};
	*bucket = index + 1;
	sessions->count++;
	return entry;
}

struct reef_session *reef_session_find(const struct reef_sessions *sessions, int32_t session) {
	if (!sessions->count)
		return NULL;
	for (uint32_t i = *session_bucket(sessions, session); i; i = sessions->entries[i - 1].next)
		if (sessions->entries[i - 1].session == session)
			return &sessions->entries[i - 1];
	return NULL;
}

inline void reef_session_remove(struct reef_sessions *sessions, struct reef_session *entry) {
	uint32_t index = reef_session_index(sessions, entry) + 1;
	uint32_t *link = session_bucket(sessions, entry->session);
	while (*link != index)
		link = &sessions->entries[*link - 1].next;
	*link = entry->next;
	entry->kind = SESSION_FREE;
	entry->ptr = NULL;
	entry->next = sessions->free;
	sessions->free = index;
	if (--sessions->count == 0) {
		sessions->free = 0;
		sessions->used = 0;
		if (sessions->capacity > KEPT_CAPACITY)
			reef_session_fini(sessions);
	}
}

/* ---- functions that wait for one ---- */

void reef_session_keep_function(lua_State *L, struct reef_host *host, const struct reef_session *entry, int index) {
	reef_session_keep_at(L, host, (int)reef_session_index(&host->sessions, entry), index);
}

void reef_session_keep_at(lua_State *L, struct reef_host *host, int at, int index) {
	/* The entry is there already: its function must be, too. The limit is felt by what comes next. */
	bool no_limit = host->no_limit;
	host->no_limit = true;
	lua_rawgeti(L, LUA_REGISTRYINDEX, host->functions);
	lua_pushvalue(L, index);
	lua_rawseti(L, -2, (lua_Integer)at + 1);
	lua_pop(L, 1);
	host->no_limit = no_limit;
}

void reef_session_take_function(lua_State *L, struct reef_host *host, uint32_t index) {
	lua_rawgeti(L, LUA_REGISTRYINDEX, host->functions);
	lua_rawgeti(L, -1, (lua_Integer)index + 1);
	lua_pushboolean(L, 0);
	lua_rawseti(L, -3, (lua_Integer)index + 1);
	lua_remove(L, -2);
}

/* After a rush of timers the table of their functions is given back with the entries. */
void reef_session_close(struct reef_host *host, struct reef_session *entry) {
	reef_session_remove(&host->sessions, entry);
	if (host->sessions.capacity == 0) {
		lua_newtable(host->L);
		lua_rawseti(host->L, LUA_REGISTRYINDEX, host->functions);
	}
}
