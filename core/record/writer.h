/* The file of a record, while it is written. It is written where it is mapped: whatever ends the process, what was written is
 * in the file. Space is taken from the file system before it is written to, so a full disk is an error here and no signal.
 *
 * A record keeps its beginning, and ends where its file is full. A ring (format.h) keeps its end: two parts, of which the
 * older one gives way when the other is full or has as many seconds as are wanted. Belongs to one service; own slice only. */
#ifndef REEF_RECORD_WRITER_H
#define REEF_RECORD_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "format.h"

#define REEF_RECORD_RESERVE ((size_t)4096) /* at the end of a file, for why it ends */
#define REEF_RECORD_ITEM_MAX ((size_t)64)  /* of an item without its bytes */

struct reef_record_writer {
	uint8_t *base; /* the file */
	size_t at;     /* of the next item; others may read it as it is */
	size_t room;   /* up to there */
	size_t limit;
	int fd;
	bool full; /* nothing more is written */
	int64_t time_ns, wall_ns;
	/* Why nothing more is written. */
	void (*stopped)(struct reef_record_writer *writer, const char *why);
	/* A ring's: */
	int64_t ring_ns; /* 0: it is none */
	int64_t part_ns; /* when the newer part began */
	uint64_t number; /* of the newer part; 0: the head is being written */
	size_t head_size, part_size, begun[2], used[2];
};

/* `ring_ns` > 0: a ring of that duration. NULL, or why there is no file. */
const char *reef_record_writer_open(struct reef_record_writer *writer, const char *path, size_t limit, int64_t ring_ns);
#define REEF_RECORD_RING_DIGITS 20
/* The head is written; a ring's ends with the size of a part, in so many digits. */
void reef_record_writer_ready(struct reef_record_writer *writer);
void reef_record_writer_close(struct reef_record_writer *writer);
/* Nothing more is written, and the file says why. */
void reef_record_writer_stop(struct reef_record_writer *writer, const char *why);
/* What a ring has now goes to a file of its own. NULL, or why it does not. */
const char *reef_record_writer_copy(struct reef_record_writer *writer, const char *path);

__attribute__((noinline)) bool reef_record_writer_grow(struct reef_record_writer *writer, size_t need);
__attribute__((noinline)) void reef_record_writer_turn_over(struct reef_record_writer *writer);

/* Where an item goes whose bytes are so many; NULL: nowhere. */
static inline uint8_t *reef_record_begin(struct reef_record_writer *writer, size_t size) {
	size_t need = REEF_RECORD_ITEM_MAX + size;
	if (__builtin_expect(writer->full || writer->at + need + REEF_RECORD_RESERVE > writer->room, 0) &&
		!reef_record_writer_grow(writer, need))
		return NULL;
	return writer->base + writer->at;
}

/* What it is comes last: until then the record ends before it. What a ring had behind it is cut off. */
static inline void reef_record_end(struct reef_record_writer *writer, uint8_t *start, unsigned kind, uint8_t *end) {
	*end = REEF_ITEM_NOTHING;
	__atomic_store_n(start, (uint8_t)kind, __ATOMIC_RELEASE);
	__atomic_store_n(&writer->at, (size_t)(end - writer->base), __ATOMIC_RELAXED);
}

static inline uint8_t *reef_record_put_bytes(uint8_t *to, const void *bytes, size_t size) {
	to = reef_record_put_size(to, size);
	if (size > 0)
		memcpy(to, bytes, size);
	return to + size;
}

static inline uint8_t *reef_record_put_time(struct reef_record_writer *writer, uint8_t *to) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	to = reef_record_put_number(to, now - writer->time_ns);
	writer->time_ns = now;
	return to;
}

/* Items that are nothing but their kind, or that and bytes. */
static inline void reef_record_put_empty(struct reef_record_writer *writer, enum reef_item_kind kind, bool time) {
	uint8_t *start = reef_record_begin(writer, 0);
	if (start)
		reef_record_end(writer, start, kind, time ? reef_record_put_time(writer, start + 1) : start + 1);
}

static inline void reef_record_put_plain(struct reef_record_writer *writer, unsigned kind, const void *bytes,
										 size_t size) {
	uint8_t *start = reef_record_begin(writer, size);
	if (start)
		reef_record_end(writer, start, kind, reef_record_put_bytes(start + 1, bytes, size));
}

static inline void reef_record_put_pair(struct reef_record_writer *writer, enum reef_item_kind kind, const char *key,
										size_t key_size, const char *value, size_t size) {
	uint8_t *start = reef_record_begin(writer, key_size + size);
	if (start)
		reef_record_end(writer, start, kind,
						reef_record_put_bytes(reef_record_put_bytes(start + 1, key, key_size), value, size));
}

/* Before a message or a turn: a ring's newer part may be old enough. */
static inline void reef_record_writer_step(struct reef_record_writer *writer) {
	if (writer->ring_ns > 0 && writer->time_ns - writer->part_ns > writer->ring_ns)
		reef_record_writer_turn_over(writer);
}

#endif
