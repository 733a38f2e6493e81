/* The growing buffer of writer.h: doubles, within its limit. */
#include "writer.h"

#include "core/alloc.h"

enum { FIRST_CAPACITY = 512 };

void reef_writer_init(struct reef_writer *w, size_t limit) {
	w->data = NULL;
	w->size = 0;
	w->capacity = 0;
	w->limit = limit;
}

void reef_writer_fini(struct reef_writer *w) {
	reef_free(w->data);
	reef_writer_init(w, w->limit);
}

bool reef_writer_grow(struct reef_writer *w, size_t need) {
	if (need > w->limit - w->size) {
		return false;
	}
	size_t capacity = w->capacity > 0 ? w->capacity : FIRST_CAPACITY;
	while (capacity - w->size < need) {
		capacity *= 2;
	}
	uint8_t *data = reef_try_realloc(w->data, capacity);
	if (data == NULL) {
		return false;
	}
	w->data = data;
	w->capacity = capacity;
	return true;
}
