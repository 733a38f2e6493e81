/* The shape of a sproto message: a header of 16-bit words, and the data that some of its fields refer to. Little-endian.
 *
 * Nothing here keeps a pointer beyond the message, or reads past its end. One thread at a time. */
#ifndef REEF_SPROTO_WIRE_H
#define REEF_SPROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t reef_sproto_read16(const char *p) {
	const unsigned char *b = (const unsigned char *)p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8;
}

static inline uint32_t reef_sproto_read32(const char *p) {
	const unsigned char *b = (const unsigned char *)p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t reef_sproto_read64(const char *p) {
	return (uint64_t)reef_sproto_read32(p) | (uint64_t)reef_sproto_read32(p + 4) << 32;
}

/* The fields of one message, one after the other. */
struct reef_sproto_fields {
	const char *word, *words_end; /* what is left of the header */
	const char *data, *end;       /* what is left of the data */
	uint32_t next;                /* tag of the next field */
};

struct reef_sproto_value {
	uint32_t tag;
	bool inlined; /* `number` is the value; else it is `size` bytes at `bytes` */
	uint32_t number;
	const char *bytes;
	uint32_t size;
};

/* Begins with the message at `bytes`, of at most n bytes. False: it has no whole header. */
bool reef_sproto_fields_init(struct reef_sproto_fields *fields, const char *bytes, size_t n);
/* 1: the next field; 0: there is none left, and fields->data is the message's end; -1: the message is cut short. */
int reef_sproto_fields_next(struct reef_sproto_fields *fields, struct reef_sproto_value *value);
/* An integer field's value. False: it is none. */
bool reef_sproto_value_integer(const struct reef_sproto_value *value, int64_t *number);

/* Of an array whose elements have sizes of their own: takes the next element. 1, 0 at the end, -1: cut short. */
int reef_sproto_next_element(const char **at, const char *end, const char **bytes, uint32_t *size);

#endif
