/* Reading BSON bytes: the only place that trusts a length, and only after comparing it with what is left. Free of state. */
#ifndef REEF_BSON_READER_H
#define REEF_BSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One element; everything points into the document. */
struct reef_bson_element {
	const char *key; /* NUL-terminated, valid UTF-8 */
	size_t key_size;
	const uint8_t *value; /* the payload as the format has it, lengths and terminators included */
	size_t value_size;
	uint8_t type;
};

struct reef_bson_reader {
	const uint8_t *at;
	const uint8_t *end; /* the terminating NUL */
	const char *error;  /* after a failure: what is wrong */
	int depth;
};

/* The size of the payload at p, of which `left` bytes are there. False with *error set. */
bool reef_bson_reader_payload(uint8_t type, const uint8_t *p, size_t left, int depth, size_t *size, const char **error);
/* Starts reading a document that must fill `size` bytes exactly; the outermost has depth 1. */
bool reef_bson_reader_open(struct reef_bson_reader *r, const uint8_t *data, size_t size, int depth);
/* 1: an element, its own bytes checked (those of a nested document only in length); 0: the end; -1: bad. */
int reef_bson_reader_next(struct reef_bson_reader *r, struct reef_bson_element *e);
/* The same for who checks the keys himself: they are not known to be UTF-8. */
int reef_bson_reader_next_value(struct reef_bson_reader *r, struct reef_bson_element *e);
/* The same for who knows the key's bytes: 0 also if it is another one, which is not read then. `key` ends with a NUL. */
int reef_bson_reader_next_named(struct reef_bson_reader *r, const char *key, size_t key_size,
								struct reef_bson_element *e);
#define REEF_BSON_BAD_KEY "invalid UTF-8 in a key"
/* Checks a whole document, nested ones too. NULL, or what is wrong. */
const char *reef_bson_reader_check(const uint8_t *data, size_t size, int depth);

#endif
