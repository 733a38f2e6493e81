/* Open sessions of a host: what each number that was sent out is awaited by.
 *
 * A dense array of entries with a free list, and buckets with chains of indexes. Adding and removing are a handful of
 * instructions and never move an entry except when the array grows. It is given back when the last session closes
 * after a rush. Owned by the host; own slice only. */
#include "host_private.h"

#include <string.h>

#include "core/alloc.h"

enum { FIRST_CAPACITY = 8, KEPT_CAPACITY = 1024 };

static uint32_t *bucket_of(const struct reef_sessions *sessions, int32_t session) {
	return &sessions->buckets[(uint32_t)session & (sessions->capacity - 1)];
}

static void grow(struct reef_sessions *sessions) {
	uint32_t capacity = sessions->capacity ? sessions->capacity * 2 : FIRST_CAPACITY;
	sessions->entries = reef_realloc(sessions->entries, capacity * sizeof(*sessions->entries));
	reef_free(sessions->buckets);
	sessions->buckets = reef_calloc(capacity, sizeof(*sessions->buckets));
	sessions->capacity = capacity;
	for (uint32_t i = 0; i < sessions->used; i++) {
		uint32_t *bucket = bucket_of(sessions, sessions->entries[i].session);
		sessions->entries[i].next = *bucket;
		*bucket = i + 1;
	}
}

void reef_sessions_fini(struct reef_sessions *sessions) {
	for (uint32_t i = 0; i < sessions->used; i++)
		if (sessions->entries[i].kind == SESSION_TIMER)
			reef_free(sessions->entries[i].ptr);
	reef_free(sessions->entries);
	reef_free(sessions->buckets);
	memset(sessions, 0, sizeof(*sessions));
}

struct reef_session *reef_sessions_add(struct reef_sessions *sessions, int32_t session, int kind, void *ptr) {
	uint32_t index;
	if (sessions->free) {
		index = sessions->free - 1;
		sessions->free = sessions->entries[index].next;
	} else {
		/* Growing finds every entry in use: the free list is empty. */
		if (sessions->used == sessions->capacity)
			grow(sessions);
		index = sessions->used++;
	}
	struct reef_session *entry = &sessions->entries[index];
	uint32_t *bucket = bucket_of(sessions, session);
	*entry = (struct reef_session){.session = session, .next = *bucket, .kind = (uint8_t)kind, .ptr = ptr};
	*bucket = index + 1;
	sessions->count++;
	return entry;
}

struct reef_session *reef_sessions_find(const struct reef_sessions *sessions, int32_t session) {
	if (!sessions->count)
		return NULL;
	for (uint32_t i = *bucket_of(sessions, session); i; i = sessions->entries[i - 1].next)
		if (sessions->entries[i - 1].session == session)
			return &sessions->entries[i - 1];
	return NULL;
}

void reef_sessions_remove(struct reef_sessions *sessions, struct reef_session *entry) {
	uint32_t index = reef_sessions_index(sessions, entry) + 1;
	uint32_t *link = bucket_of(sessions, entry->session);
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
			reef_sessions_fini(sessions);
	}
}
