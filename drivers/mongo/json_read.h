/* Between json_read.c, which knows JSON, and json_types.c, which knows the typed values of Extended JSON.
 *
 * Functions answer false after an error, which is in the reader; what they have written by then is dropped with the
 * whole document.
 */
#ifndef REEF_MONGO_JSON_READ_H
#define REEF_MONGO_JSON_READ_H

#include "bson.h"

struct reef_json {
	const char *text, *at, *end;
	struct reef_writer *w;
	struct reef_json_error *error;
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
bool reef_json_put32(struct reef_json *j, uint32_t v);
bool reef_json_put64(struct reef_json *j, uint64_t v);
bool reef_json_put_double(struct reef_json *j, double d);

/* A whole `{...}` as a document. */
bool reef_json_document(struct reef_json *j, int depth);

enum reef_json_typed { REEF_JSON_BAD, REEF_JSON_TYPED, REEF_JSON_NOT_TYPED };
/* At a `{`: if it begins a typed value, writes its payload and sets the type byte at offset `type`; else nothing has
 * been eaten or written. */
enum reef_json_typed reef_json_typed_value(struct reef_json *j, size_t type, int depth);

#endif
