/* One element into the writer: its type, its key, and what is no table. The keys on the way down are remembered so that an
 * error can name where it is; they stay on the Lua stack while their values are written, so pointers are enough. The VM's
 * thread only; all may raise.
 */
#ifndef REEF_BSON_ELEMENT_H
#define REEF_BSON_ELEMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lua.h>

#include "order.h"
#include "writer.h"

struct reef_bson_encoder {
	lua_State *L;
	struct reef_writer *w;
	struct reef_bson_place at;
};

/* Raises with the path. */
int reef_bson_element_fail(struct reef_bson_encoder *e, const char *text);
/* Raises if less than `size` bytes are there, which were written before: code of the user's has written another document with the
 * same writer, and given that away. */
void reef_bson_element_has(struct reef_bson_encoder *e, size_t size);
/* Ends the document that begins at `start`. */
void reef_bson_element_end(struct reef_bson_encoder *e, size_t start);
/* One level down, and up again. */
void reef_bson_element_enter(struct reef_bson_encoder *e);

/* Makes it the current key, once it is seen to be good. */
void reef_bson_element_check_key(struct reef_bson_encoder *e, const char *key, size_t size);

/* The element at the current key: a number; whether something is true; text; a tagged string (tag.h) of at least two
 * bytes; a document that is encoded already. */
void reef_bson_element_double(struct reef_bson_encoder *e, double d);
void reef_bson_element_integer(struct reef_bson_encoder *e, int64_t i);
void reef_bson_element_boolean(struct reef_bson_encoder *e, bool is_true);
void reef_bson_element_string(struct reef_bson_encoder *e, const char *s, size_t size);
void reef_bson_element_tagged(struct reef_bson_encoder *e, const char *s, size_t size);
void reef_bson_element_document(struct reef_bson_encoder *e, const uint8_t *data, size_t size);

static inline uint8_t *reef_bson_element_room(struct reef_bson_encoder *e, size_t n) {
	uint8_t *p = reef_writer_add(e->w, n);
	if (p == NULL) {
		reef_bson_element_fail(e, "Bson document too large or out of memory");
	}
	return p;
}

static inline void reef_bson_element_set_key(struct reef_bson_encoder *e, const char *key, size_t size) {
	e->at.path[e->at.depth] = (struct reef_bson_step){key, size};
}

/* Type and key of an element, and the place for `payload` bytes behind them. */
static inline uint8_t *reef_bson_element_add(struct reef_bson_encoder *e, uint8_t type, size_t payload) {
	const struct reef_bson_step *step = &e->at.path[e->at.depth];
	uint8_t *p = reef_bson_element_room(e, 1 + step->size + 1 + payload);
	p[0] = type;
	memcpy(p + 1, step->key, step->size);
	p[1 + step->size] = 0;
	return p + 1 + step->size + 1;
}

static inline size_t reef_bson_element_begin(struct reef_bson_encoder *e) {
	size_t start = e->w->size;
	reef_bson_element_room(e, 4);
	return start;
}

static inline void reef_bson_element_leave(struct reef_bson_encoder *e) {
	e->at.depth--;
}

#endif
