/* A parser of HTTP/1.1 messages (RFC 9112), around llhttp: requests or responses, one after the other, in any pieces.
 *
 * It keeps the head of the message, and of the body what has come since it was taken. It is strict: whatever two parsers
 * could take for different messages is refused, and no size is without a limit. Fields behind a chunked body, *trailers*, are
 * kept apart: they may not change what the head has said. A parser belongs to one thread at a time. */
#ifndef REEF_HTTP_PARSER_H
#define REEF_HTTP_PARSER_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_http_limits {
	size_t head;     /* bytes of the start line and the fields, those behind the body and chunk extensions included */
	uint32_t fields; /* how many */
	uint64_t body;   /* bytes */
};

/* Offsets into `text`. */
struct reef_http_field {
	uint32_t name, name_size, value, value_size;
};

struct reef_http_parser {
	llhttp_t llhttp;
	struct reef_http_limits limits;
	bool no_body;         /* response to HEAD: set before its head is fed */
	bool head_done, done; /* of the current message */
	/* Valid with head_done; keep_alive: another message may follow; upgrade: it asks for, or grants, another protocol. */
	bool has_body, chunked, keep_alive, upgrade;
	int status;        /* 0, or with what a server should answer what was refused */
	const char *error; /* why it was refused; static */
	char *text;        /* the target or the reason phrase, and the fields */
	size_t size, room;
	size_t start_size; /* of the target or the reason phrase */
	struct reef_http_field *fields;
	uint32_t count, fields_room; /* trailers included, */
	uint32_t head_count;         /* which come behind these */
	uint32_t hosts;              /* how many fields Host there are */
	uint32_t encodings;          /* and Transfer-Encoding */
	bool expects;                /* there is a field Expect */
	uint8_t protocol_size;       /* bytes of the protocol's name that have been compared */
	size_t before_head;          /* bytes that were fed before the head was complete */
	size_t behind_head;          /* bytes of extensions and of fields behind the body */
	uint64_t body_total;
	char *body;
	size_t body_size, body_room;
};

/* Freed with reef_http_parser_fini. */
void reef_http_parser_init(struct reef_http_parser *p, bool response, const struct reef_http_limits *limits);
void reef_http_parser_fini(struct reef_http_parser *p);

/* Reads `n` bytes up to the end of the message; returns how many it took. Afterwards `done` is set, or `error`, or it took
 * all and wants more. What comes after `done` is not touched before reef_http_parser_next. */
size_t reef_http_parser_feed(struct reef_http_parser *p, const char *bytes, size_t n);

/* There is no more: sets `done` if that is how the message ends, else `error`. */
void reef_http_parser_end(struct reef_http_parser *p);

/* Begins the next message. After an error there is none. */
void reef_http_parser_next(struct reef_http_parser *p);

#endif
