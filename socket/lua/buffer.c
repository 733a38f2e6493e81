/* See buffer.h. The block doubles; it goes away when it is empty and has been large. */
#include "buffer.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"

#define FIRST_ROOM 512
#define KEPT_ROOM 4096

char *reef_buffer_reserve(struct reef_buffer *b, size_t n) {
	size_t used = reef_buffer_size(b);
	if (b->room - b->end >= n && b->data)
		return b->data + b->end;
	if (b->begin > used && b->room - used >= n) {
		memcpy(b->data, b->data + b->begin, used);
	} else {
		size_t room = b->room ? b->room : FIRST_ROOM;
		while (room - used < n) {
			if (room > SIZE_MAX / 2)
				return NULL;
			room *= 2;
		}
		if (b->begin > 0 && used > 0)
			memmove(b->data, b->data + b->begin, used);
		char *data = reef_try_realloc(b->data, room);
		if (data) {
			b->data = data;
			b->room = room;
		}
		if (data == NULL) {
			b->begin = 0;
			b->end = used;
			return NULL;
		}
	}
	b->begin = 0;
	b->end = used;
	return b->data + used;
}

bool reef_buffer_append(struct reef_buffer *b, const void *bytes, size_t n) {
	char *room = reef_buffer_reserve(b, n);
	if (room == NULL)
		return false;
	memcpy(room, bytes, n);
	b->end += n;
	return true;
}

void reef_buffer_drop(struct reef_buffer *b, size_t n) {
	b->begin += n;
	if (b->begin != b->end)
		return;
	b->begin = b->end = 0;
	if (b->room > KEPT_ROOM)
		reef_buffer_clear(b);
}

void reef_buffer_clear(struct reef_buffer *b) {
	reef_free(b->data);
	*b = (struct reef_buffer){0};
}

size_t reef_buffer_find(const char *bytes, size_t n, const char *separator, size_t size, size_t *scanned) {
	size_t from = *scanned < n ? *scanned : n;
	const char *found = n - from < size ? NULL : memmem(bytes + from, n - from, separator, size);
	if (found)
		return (size_t)(found - bytes);
	*scanned = n < size ? 0 : n - size + 1;
	return SIZE_MAX;
}
