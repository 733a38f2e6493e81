/* Received bytes that nobody has asked for yet: one growing block. Owned by whoever reads; no locking. */
#ifndef REEF_SOCKET_LUA_BUFFER_H
#define REEF_SOCKET_LUA_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty buffer. */
struct reef_buffer {
	char *data;
	size_t begin, end, room;
};

static inline size_t reef_buffer_size(const struct reef_buffer *b) {
	return b->end - b->begin;
}

static inline const char *reef_buffer_bytes(const struct reef_buffer *b) {
	return b->data + b->begin;
}

/* Room for n bytes behind the end, to be filled and counted by adding to `end`; NULL: out of memory. */
char *reef_buffer_reserve(struct reef_buffer *b, size_t n);
bool reef_buffer_append(struct reef_buffer *b, const void *bytes, size_t n);
/* Forgets the first n bytes. */
void reef_buffer_drop(struct reef_buffer *b, size_t n);
/* Forgets all and frees the block. */
void reef_buffer_clear(struct reef_buffer *b);

/* Where in n bytes the separator begins, or SIZE_MAX. `*scanned` bytes are known not to begin one, and it is updated:
 * so looking again after every packet costs what has come, not what is there. */
size_t reef_buffer_find(const char *bytes, size_t n, const char *separator, size_t size, size_t *scanned);

#endif
