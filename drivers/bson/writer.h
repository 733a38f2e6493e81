/* A growing buffer that BSON and wire messages are written into.
 *
 * Whoever has the writer owns the bytes until it takes them out or ends the writer. Nothing here raises: a write that
 * would pass `limit`, or for which there is no memory, answers NULL and leaves the buffer as it was. One thread at a
 * time.
 */
#ifndef REEF_BSON_WRITER_H
#define REEF_BSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reef_writer {
	uint8_t *data;
	size_t size;
	size_t capacity;
	size_t limit; /* bytes that `size` may reach */
};

void reef_writer_init(struct reef_writer *w, size_t limit);
void reef_writer_fini(struct reef_writer *w);
/* Makes room for `need` more bytes. False: limit reached or out of memory. */
bool reef_writer_grow(struct reef_writer *w, size_t need);

/* `n` more bytes to be filled by the caller at once; NULL if they do not fit. */
static inline uint8_t *reef_writer_add(struct reef_writer *w, size_t n) {
	if (w->capacity - w->size < n && !reef_writer_grow(w, n)) {
		return NULL;
	}
	uint8_t *p = w->data + w->size;
	w->size += n;
	return p;
}

static inline bool reef_writer_bytes(struct reef_writer *w, const void *bytes, size_t n) {
	if (n == 0) {
		return true;
	}
	uint8_t *p = reef_writer_add(w, n);
	if (p == NULL) {
		return false;
	}
	memcpy(p, bytes, n);
	return true;
}

/* Little-endian numbers at any address. */
static inline void reef_put32(uint8_t *p, uint32_t v) {
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline void reef_put64(uint8_t *p, uint64_t v) {
	reef_put32(p, (uint32_t)v);
	reef_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint32_t reef_get32(const uint8_t *p) {
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t reef_get64(const uint8_t *p) {
	return reef_get32(p) | (uint64_t)reef_get32(p + 4) << 32;
}

#endif
