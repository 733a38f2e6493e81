/* See reader.h. */
#include "reader.h"

#include <string.h>

#include "core/utf8.h"
#include "format.h"
#include "writer.h"

bool reef_bson_reader_open(struct reef_bson_reader *r, const uint8_t *data, size_t size, int depth) {
	r->depth = depth;
	if (depth > REEF_BSON_DEPTH) {
		r->error = "nested too deeply";
	} else if (size < 5) {
		r->error = "document shorter than 5 bytes";
	} else if (reef_get32(data) < size) {
		r->error = "bytes after the end of the document";
	} else if (reef_get32(data) > size) {
		r->error = "document longer than its bytes";
	} else if (data[size - 1] != 0) {
		r->error = "document not terminated";
	} else {
		r->at = data + 4;
		r->end = data + size - 1;
		r->error = NULL;
		return true;
	}
	return false;
}

/* Each of these answers the size of the payload at p, of which `left` bytes are there, or 0 with *error set. */

static size_t reader_bad(const char **error, const char *text) {
	*error = text;
	return 0;
}

/* Of types whose payload always has the same size, the others have 0. */
static const uint8_t fixed_sizes[256] = {
		[REEF_BSON_DOUBLE] = 8,      [REEF_BSON_OBJECTID] = REEF_BSON_OID_SIZE,
		[REEF_BSON_DATE] = 8,        [REEF_BSON_INT32] = 4,
		[REEF_BSON_TIMESTAMP] = 8,   [REEF_BSON_INT64] = 8,
		[REEF_BSON_DECIMAL128] = 16,
};

static size_t string_size(const uint8_t *p, size_t left, const char **error) {
	if (left < 5) {
		return reader_bad(error, "value cut short");
	}
	uint32_t n = reef_get32(p);
	if (n == 0 || n > left - 4) {
		return reader_bad(error, "string length out of range");
	}
	if (p[4 + n - 1] != 0) {
		return reader_bad(error, "string not terminated");
	}
	if (!reef_utf8_valid((const char *)p + 4, n - 1)) {
		return reader_bad(error, "invalid UTF-8");
	}
	return 4 + (size_t)n;
}

static size_t cstring_size(const uint8_t *p, size_t left, const char **error) {
	const uint8_t *nul = left > 0 ? memchr(p, 0, left) : NULL;
	if (nul == NULL) {
		return reader_bad(error, "text not terminated");
	}
	size_t n = (size_t)(nul - p);
	if (!reef_utf8_valid((const char *)p, n)) {
		return reader_bad(error, "invalid UTF-8");
	}
	return n + 1;
}

static size_t reader_document_size(const uint8_t *p, size_t left, const char **error) {
	if (left < 5) {
		return reader_bad(error, "value cut short");
	}
	uint32_t n = reef_get32(p);
	if (n < 5 || n > left) {
		return reader_bad(error, "document length out of range");
	}
	if (p[n - 1] != 0) {
		return reader_bad(error, "document not terminated");
	}
	return n;
}

static size_t binary_size(const uint8_t *p, size_t left, const char **error) {
	if (left < 5) {
		return reader_bad(error, "value cut short");
	}
	uint32_t n = reef_get32(p);
	if (n > REEF_BSON_SIZE || n > left - 5) {
		return reader_bad(error, "binary length out of range");
	}
	if (p[4] == 2 && (n < 4 || reef_get32(p + 5) != n - 4)) {
		return reader_bad(error, "length inside binary of subtype 2 does not fit");
	}
	return 5 + (size_t)n;
}

static size_t regex_size(const uint8_t *p, size_t left, const char **error) {
	size_t pattern = cstring_size(p, left, error);
	if (pattern == 0) {
		return 0;
	}
	size_t flags = cstring_size(p + pattern, left - pattern, error);
	return flags == 0 ? 0 : pattern + flags;
}

static size_t dbpointer_size(const uint8_t *p, size_t left, const char **error) {
	size_t name = string_size(p, left, error);
	if (name == 0) {
		return 0;
	}
	return left - name < REEF_BSON_OID_SIZE ? reader_bad(error, "value cut short") : name + REEF_BSON_OID_SIZE;
}

static size_t code_scope_size(const uint8_t *p, size_t left, int depth, const char **error) {
	if (left < 4 + 5 + 5) {
		return reader_bad(error, "value cut short");
	}
	uint32_t n = reef_get32(p);
	if (n < 4 + 5 + 5 || n > left) {
		return reader_bad(error, "length of code with scope out of range");
	}
	size_t code = string_size(p + 4, n - 4, error);
	if (code == 0) {
		return 0;
	}
	const char *scope = reef_bson_reader_check(p + 4 + code, n - 4 - code, depth + 1);
	return scope == NULL ? n : reader_bad(error, scope);
}

static size_t boolean_size(const uint8_t *p, size_t left, const char **error) {
	if (left < 1) {
		return reader_bad(error, "value cut short");
	}
	return p[0] <= 1 ? 1 : reader_bad(error, "boolean neither 0 nor 1");
}

bool reef_bson_reader_payload(uint8_t type, const uint8_t *p, size_t left, int depth, size_t *size,
							  const char **error) {
	*size = fixed_sizes[type];
	if (*size > 0) {
		return *size <= left || reader_bad(error, "value cut short") > 0;
	}
	switch (type) {
	case REEF_BSON_UNDEFINED:
	case REEF_BSON_NULL:
	case REEF_BSON_MINKEY:
	case REEF_BSON_MAXKEY:
		*size = 0;
		return true;
	case REEF_BSON_BOOLEAN:
		*size = boolean_size(p, left, error);
		break;
	case REEF_BSON_STRING:
	case REEF_BSON_CODE:
	case REEF_BSON_SYMBOL:
		*size = string_size(p, left, error);
		break;
	case REEF_BSON_DOCUMENT:
	case REEF_BSON_ARRAY:
		*size = reader_document_size(p, left, error);
		break;
	case REEF_BSON_BINARY:
		*size = binary_size(p, left, error);
		break;
	case REEF_BSON_REGEX:
		*size = regex_size(p, left, error);
		break;
	case REEF_BSON_DBPOINTER:
		*size = dbpointer_size(p, left, error);
		break;
	case REEF_BSON_CODE_SCOPE:
		*size = code_scope_size(p, left, depth, error);
		break;
	default:
		*size = reader_bad(error, "unknown type");
		break;
	}
	return *size > 0;
}

/* The payload of the element whose type is known. Most are numbers or strings. */
static inline int take_value(struct reef_bson_reader *r, struct reef_bson_element *e, const uint8_t *value) {
	size_t left = (size_t)(r->end - value);
	e->value_size = fixed_sizes[e->type];
	if (e->type == REEF_BSON_STRING) {
		e->value_size = string_size(value, left, &r->error);
		if (e->value_size == 0) {
			return -1;
		}
	} else if ((e->value_size == 0 || e->value_size > left) &&
			   !reef_bson_reader_payload(e->type, value, left, r->depth, &e->value_size, &r->error)) {
		return -1;
	}
	e->value = value;
	r->at = value + e->value_size;
	return 1;
}

int reef_bson_reader_next_value(struct reef_bson_reader *r, struct reef_bson_element *e) {
	if (r->at == r->end) {
		return 0;
	}
	e->type = *r->at;
	e->key = (const char *)r->at + 1;
	e->key_size = 0;
	if (e->type == REEF_BSON_END) {
		r->error = "document ends before its length";
		return -1;
	}
	/* The document's own terminator stops a key that has none. */
	size_t key = strlen(e->key);
	const uint8_t *value = (const uint8_t *)e->key + key + 1;
	if (value > r->end) {
		r->error = "key not terminated";
		return -1;
	}
	e->key_size = key;
	return take_value(r, e, value);
}

static inline bool is_same_32(const char *a, const char *b) {
	uint32_t x, y;
	memcpy(&x, a, 4);
	memcpy(&y, b, 4);
	return x == y;
}

/* Keys are short: a call costs more than the comparison. The last word overlaps the one before. */
static inline bool is_same(const char *a, const char *b, size_t size) {
	if (size < 4) {
		for (size_t i = 0; i < size; i++) {
			if (a[i] != b[i]) {
				return false;
			}
		}
		return true;
	}
	for (size_t i = 0; i + 4 < size; i += 4) {
		if (!is_same_32(a + i, b + i)) {
			return false;
		}
	}
	return is_same_32(a + size - 4, b + size - 4);
}

int reef_bson_reader_next_named(struct reef_bson_reader *r, const char *key, size_t key_size,
								struct reef_bson_element *e) {
	const char *found = (const char *)r->at + 1;
	if ((size_t)(r->end - r->at) < key_size + 2 || !is_same(found, key, key_size + 1)) {
		return 0;
	}
	const uint8_t *value = (const uint8_t *)found + key_size + 1;
	e->type = *r->at;
	e->key = found;
	e->key_size = key_size;
	return take_value(r, e, value);
}

int reef_bson_reader_next(struct reef_bson_reader *r, struct reef_bson_element *e) {
	int more = reef_bson_reader_next_value(r, e);
	if (more > 0 && !reef_utf8_valid(e->key, e->key_size)) {
		r->error = REEF_BSON_BAD_KEY;
		return -1;
	}
	return more;
}

const char *reef_bson_reader_check(const uint8_t *data, size_t size, int depth) {
	struct reef_bson_reader r;
	struct reef_bson_element e;
	if (!reef_bson_reader_open(&r, data, size, depth)) {
		return r.error;
	}
	int more;
	while ((more = reef_bson_reader_next(&r, &e)) > 0) {
		if (e.type == REEF_BSON_DOCUMENT || e.type == REEF_BSON_ARRAY) {
			const char *error = reef_bson_reader_check(e.value, e.value_size, depth + 1);
			if (error != NULL) {
				return error;
			}
		}
	}
	return more == 0 ? NULL : r.error;
}
