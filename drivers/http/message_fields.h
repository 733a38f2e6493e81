/* A message that is put together by a C function of Lua: its bytes, and the fields of a table. The bytes lie in the struct, or in a
 * userdata on the Lua stack if they are many. Called by whoever runs the VM. */
#ifndef REEF_HTTP_MESSAGE_FIELDS_H
#define REEF_HTTP_MESSAGE_FIELDS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Where things are on the stack of such a function: its arguments, the buffer, the values of the fields that were found. */
enum {
	REEF_MESSAGE_START = 1,
	REEF_MESSAGE_FIELDS,
	REEF_MESSAGE_BODY,
	REEF_MESSAGE_LENGTH,
	REEF_MESSAGE_MORE,
	REEF_MESSAGE_ID,
	REEF_MESSAGE_ANY_LENGTH,
	REEF_MESSAGE_ANY_ENCODING,
	REEF_MESSAGE_ARGUMENTS = REEF_MESSAGE_ANY_ENCODING
};
enum {
	REEF_MESSAGE_BUFFER = REEF_MESSAGE_ARGUMENTS + 1,
	REEF_MESSAGE_FOUND_LENGTH,
	REEF_MESSAGE_FOUND_ENCODING,
	REEF_MESSAGE_FOUND_CONNECTION,
	REEF_MESSAGE_TOP = REEF_MESSAGE_FOUND_CONNECTION
};

#define REEF_MESSAGE_SMALL ((size_t)1024)

struct reef_http_message {
	lua_State *L;
	char *bytes;
	size_t size, room;
	unsigned found;                  /* bits of enum reef_http_field_kind */
	bool closes, keeps, has_options; /* what the field Connection says */
	char small[REEF_MESSAGE_SMALL];
};

/* Raises; the format has one %s. */
void reef_http_message_fail(lua_State *L, const char *format, const char *text);

void reef_http_message_grow(struct reef_http_message *m, size_t more);

static inline char *reef_http_message_reserve(struct reef_http_message *m, size_t more) {
	if (m->room - m->size < more)
		reef_http_message_grow(m, more);
	return m->bytes + m->size;
}

static inline void reef_http_message_add(struct reef_http_message *m, const char *bytes, size_t n) {
	memcpy(reef_http_message_reserve(m, n), bytes, n);
	m->size += n;
}

/* Writes the fields of the table at REEF_MESSAGE_FIELDS, and notes what is found. Connection is left for the lines. Raises where a field
 * would become something else, or two of a kind. */
void reef_http_message_add_fields(struct reef_http_message *m);

/* Writes lines of our own, and Connection. Those that the fields have said already step back. */
void reef_http_message_add_lines(struct reef_http_message *m, const char *more, size_t n);

#endif
