/* See wire.h. */
#include "wire.h"

#include <string.h>

#include "drivers/bson/writer.h"

enum { FLAGS = 4, CHECKSUM = 4, SMALLEST_DOCUMENT = 5 };

static long bad(const char **error, const char *text) {
	*error = text;
	return -1;
}

size_t reef_wire_expect(const uint8_t *bytes, size_t n) {
	uint32_t size = n >= 4 ? reef_get32(bytes) : 0;
	return size >= REEF_WIRE_HEADER && size <= REEF_WIRE_MAX ? size : 0;
}

/* The size of the document at p; 0: there is none in these bytes. */
static size_t document_size(const uint8_t *p, size_t left) {
	uint32_t size = left >= SMALLEST_DOCUMENT ? reef_get32(p) : 0;
	return size >= SMALLEST_DOCUMENT && size <= left ? size : 0;
}

/* The size of a section of kind 1 without its kind byte; 0: malformed. */
static size_t sequence_size(const uint8_t *p, size_t left) {
	uint32_t size = left >= 5 ? reef_get32(p) : 0;
	if (size < 5 || size > left) {
		return 0;
	}
	const uint8_t *nul = memchr(p + 4, 0, size - 4);
	if (nul == NULL) {
		return 0;
	}
	for (const uint8_t *d = nul + 1; d < p + size;) {
		size_t n = document_size(d, (size_t)(p + size - d));
		if (n == 0) {
			return 0;
		}
		d += n;
	}
	return size;
}

static bool parse_sections(struct reef_wire_message *m, const char **error) {
	const uint8_t *p = m->sections, *end = m->sections + m->sections_size;
	while (p < end) {
		uint8_t kind = *p++;
		size_t size = kind == 0   ? document_size(p, (size_t)(end - p))
					  : kind == 1 ? sequence_size(p, (size_t)(end - p))
								  : 0;
		if (size == 0 || (kind == 0 && m->body != NULL)) {
			*error = "malformed section in a message";
			return false;
		}
		if (kind == 0) {
			m->body = p;
			m->body_size = size;
		}
		p += size;
	}
	if (m->body == NULL) {
		*error = "message without a body";
		return false;
	}
	return true;
}

long reef_wire_parse(const uint8_t *bytes, size_t n, struct reef_wire_message *m, const char **error) {
	if (n < REEF_WIRE_HEADER) {
		return 0;
	}
	size_t size = reef_get32(bytes);
	if (size < REEF_WIRE_HEADER + FLAGS || size > REEF_WIRE_MAX) {
		return bad(error, "message length out of range");
	}
	if (reef_get32(bytes + 12) != REEF_OP_MSG) {
		return bad(error, "message of a kind that was not asked for");
	}
	if (n < size) {
		return 0;
	}
	*m = (struct reef_wire_message){
			.size = size,
			.request_id = (int32_t)reef_get32(bytes + 4),
			.response_to = (int32_t)reef_get32(bytes + 8),
			.flags = reef_get32(bytes + REEF_WIRE_HEADER),
			.sections = bytes + REEF_WIRE_HEADER + FLAGS,
			.sections_size = size - REEF_WIRE_HEADER - FLAGS,
	};
	/* The lower half of the flags must be understood. */
	if ((m->flags & 0xffff & ~(uint32_t)(REEF_WIRE_CHECKSUM | REEF_WIRE_MORE_TO_COME)) != 0) {
		return bad(error, "message with unknown flags");
	}
	if ((m->flags & REEF_WIRE_CHECKSUM) != 0) {
		if (m->sections_size < CHECKSUM) {
			return bad(error, "message too short for its checksum");
		}
		m->sections_size -= CHECKSUM;
	}
	return parse_sections(m, error) ? (long)size : -1;
}

bool reef_wire_next_sequence(const struct reef_wire_message *m, size_t *at, struct reef_wire_sequence *s) {
	while (*at < m->sections_size) {
		const uint8_t *p = m->sections + *at + 1;
		size_t size = reef_get32(p);
		*at += 1 + size;
		if (p[-1] == 1) {
			s->identifier = (const char *)p + 4;
			s->documents = p + 4 + strlen(s->identifier) + 1;
			s->end = p + size;
			return true;
		}
	}
	return false;
}

void reef_wire_put_header(uint8_t *p, size_t size, int32_t request_id, int32_t response_to, uint32_t flags) {
	reef_put32(p, (uint32_t)size);
	reef_put32(p + 4, (uint32_t)request_id);
	reef_put32(p + 8, (uint32_t)response_to);
	reef_put32(p + 12, REEF_OP_MSG);
	reef_put32(p + 16, flags);
}
