/* JSON text (RFC 8259), piece by piece, and what it stands for into a writer. Free of state.
 *
 * Functions answer false after an error, which is in the reader; what they have written by then is dropped with the
 * whole document. Strings are unescaped behind the end of the document in the writer and dropped again, so they need no
 * memory of their own.
 */
#ifndef REEF_BSON_JSON_TEXT_H
#define REEF_BSON_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "writer.h"

struct reef_json_error {
	size_t offset; /* byte of the text */
	char text[120];
};

/* Is what begins with a dollar a typed value? */
enum reef_json_typed { REEF_JSON_BAD, REEF_JSON_TYPED, REEF_JSON_NOT_TYPED };

struct reef_json {
	const char *text, *at, *end;
	struct reef_writer *w;
	struct reef_json_error *error;
	/* Reads a whole `{...}` as a document: what is above, for the scope of code. */
	bool (*document)(struct reef_json *j, int depth);
};

bool reef_json_fail(struct reef_json *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next character that is not space; 0 at the end. */
char reef_json_peek(struct reef_json *j);
bool reef_json_expect(struct reef_json *j, char c);
bool reef_json_word(struct reef_json *j, const char *text);
/* After a member: is there another? Eats the comma or `close`. */
bool reef_json_more(struct reef_json *j, char close, bool *more);

/* A string into `out` (its bytes, then a NUL), which must be longer. */
bool reef_json_string(struct reef_json *j, char *out, size_t room, size_t *size);
/* A string's bytes to the writer; with a NUL behind and none inside; as BSON text (length, bytes, NUL). */
bool reef_json_append_string(struct reef_json *j);
bool reef_json_append_cstring(struct reef_json *j);
bool reef_json_append_text(struct reef_json *j);

/* A number's text. */
bool reef_json_number(struct reef_json *j, char *out, size_t room, bool *integral);
bool reef_json_parse_int(const char *text, int64_t *out);
bool reef_json_parse_double(const char *text, double *out);

bool reef_json_put(struct reef_json *j, const void *bytes, size_t size);
bool reef_json_put_byte(struct reef_json *j, uint8_t byte);
bool reef_json_put32(struct reef_json *j, uint32_t v);
bool reef_json_put64(struct reef_json *j, uint64_t v);
bool reef_json_put_double(struct reef_json *j, double d);

#endif
