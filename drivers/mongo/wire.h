/* The wire protocol: OP_MSG (and the frame that every message has). By the specification "OP_MSG" and the server's
 * manual, "MongoDB Wire Protocol". Free of state. */
#ifndef REEF_MONGO_WIRE_H
#define REEF_MONGO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest message that is sent or accepted: the server's maxMessageSizeBytes. */
#define REEF_WIRE_MAX 48000000
#define REEF_WIRE_HEADER 16

enum {
	REEF_OP_MSG = 2013,
};

enum reef_wire_flags {
	REEF_WIRE_CHECKSUM = 1,     /* a CRC-32C ends the message; it is not verified */
	REEF_WIRE_MORE_TO_COME = 2, /* from the server: another reply follows unasked; to it: do not reply */
	REEF_WIRE_EXHAUST_ALLOWED = 1 << 16,
};

/* A message in somebody else's bytes. */
struct reef_wire_message {
	size_t size; /* of the whole */
	int32_t request_id, response_to;
	uint32_t flags;
	const uint8_t *body; /* the document of kind 0 */
	size_t body_size;
	const uint8_t *sections; /* all sections, checked in structure */
	size_t sections_size;
};

/* Looks for a message at the start of `n` bytes: its size if it is there, 0 if it is not complete, -1 if it is none, with
 * a text at *error. Documents are checked for their length alone. */
long reef_wire_parse(const uint8_t *bytes, size_t n, struct reef_wire_message *m, const char **error);
/* The size that the message which begins with these bytes will have; 0: unknown yet. */
size_t reef_wire_expect(const uint8_t *bytes, size_t n);

/* A section of kind 1: documents one behind the other. */
struct reef_wire_sequence {
	const char *identifier;
	const uint8_t *documents, *end;
};

/* The next sequence at or behind offset *at of the message's sections (begin with 0). False: there is none. */
bool reef_wire_next_sequence(const struct reef_wire_message *m, size_t *at, struct reef_wire_sequence *s);

/* The header and flags of an OP_MSG of `size` bytes in all. */
void reef_wire_put_header(uint8_t *p, size_t size, int32_t request_id, int32_t response_to, uint32_t flags);

#endif
