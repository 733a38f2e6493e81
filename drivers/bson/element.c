/* See element.h. */
#include "element.h"

#include <lauxlib.h>

#include "core/utf8.h"
#include "reader.h"
#include "regex.h"

int reef_bson_element_fail(struct reef_bson_encoder *e, const char *text) {
	luaL_Buffer b;
	luaL_buffinit(e->L, &b);
	luaL_addstring(&b, text);
	for (int i = 1; i <= e->at.depth; i++) {
		luaL_addstring(&b, i == 1 ? " in '" : ".");
		luaL_addlstring(&b, e->at.path[i].key, e->at.path[i].size);
	}
	if (e->at.depth > 0) {
		luaL_addchar(&b, '\'');
	}
	luaL_pushresult(&b);
	return lua_error(e->L);
}

void reef_bson_element_has(struct reef_bson_encoder *e, size_t size) {
	if (e->w->size < size) {
		reef_bson_element_fail(e, "A metamethod used MongoDB while its document was written");
	}
}

void reef_bson_element_end(struct reef_bson_encoder *e, size_t start) {
	reef_bson_element_room(e, 1)[0] = 0;
	reef_bson_element_has(e, start + 5);
	if (e->w->size - start > REEF_BSON_SIZE) {
		reef_bson_element_fail(e, "Bson document too large");
	}
	reef_put32(e->w->data + start, (uint32_t)(e->w->size - start));
}

void reef_bson_element_enter(struct reef_bson_encoder *e) {
	if (e->at.depth == REEF_BSON_DEPTH) {
		reef_bson_element_fail(e, "Too depth while encoding bson");
	}
	luaL_checkstack(e->L, 12, "bson");
	e->at.depth++;
	reef_bson_element_set_key(e, "", 0);
}

void reef_bson_element_check_key(struct reef_bson_encoder *e, const char *key, size_t size) {
	reef_bson_element_set_key(e, key, size);
	for (size_t i = 0; i < size; i++) {
		/* Neither NUL nor beyond ASCII. */
		if ((uint8_t)(key[i] - 1) < 0x7f) {
			continue;
		}
		if (key[i] == 0) {
			reef_bson_element_fail(e, "Bson key with a NUL");
		}
		if (!reef_utf8_valid(key + i, size - i) || memchr(key + i, 0, size - i) != NULL) {
			reef_bson_element_fail(e, "Invalid utf8 string as key");
		}
		return;
	}
}

void reef_bson_element_double(struct reef_bson_encoder *e, double d) {
	uint64_t bits;
	memcpy(&bits, &d, 8);
	reef_put64(reef_bson_element_add(e, REEF_BSON_DOUBLE, 8), bits);
}

void reef_bson_element_integer(struct reef_bson_encoder *e, int64_t i) {
	if (i >= INT32_MIN && i <= INT32_MAX) {
		reef_put32(reef_bson_element_add(e, REEF_BSON_INT32, 4), (uint32_t)i);
	} else {
		reef_put64(reef_bson_element_add(e, REEF_BSON_INT64, 8), (uint64_t)i);
	}
}

void reef_bson_element_boolean(struct reef_bson_encoder *e, bool is_true) {
	reef_bson_element_add(e, REEF_BSON_BOOLEAN, 1)[0] = is_true;
}

void reef_bson_element_string(struct reef_bson_encoder *e, const char *s, size_t size) {
	if (!reef_utf8_valid(s, size)) {
		reef_bson_element_fail(e, "Invalid utf8 string");
	}
	if (size >= REEF_BSON_SIZE - 5) {
		reef_bson_element_fail(e, "Bson document too large");
	}
	uint8_t *p = reef_bson_element_add(e, REEF_BSON_STRING, 4 + size + 1);
	reef_put32(p, (uint32_t)size + 1);
	memcpy(p + 4, s, size);
	p[4 + size] = 0;
}

static void binary_element(struct reef_bson_encoder *e, const char *s, size_t size) {
	if (size < 1) {
		reef_bson_element_fail(e, "Invalid binary");
	}
	uint8_t subtype = (uint8_t)s[0];
	uint32_t n = (uint32_t)size - 1;
	uint32_t inner = subtype == 2 ? 4 : 0;
	uint8_t *p = reef_bson_element_add(e, REEF_BSON_BINARY, 5 + inner + n);
	reef_put32(p, n + inner);
	p[4] = subtype;
	if (inner > 0) {
		reef_put32(p + 5, n);
	}
	memcpy(p + 5 + inner, s + 1, n);
}

static void date_element(struct reef_bson_encoder *e, const char *s, size_t size) {
	const uint8_t *bytes = (const uint8_t *)s;
	if (size == 4) {
		reef_put64(reef_bson_element_add(e, REEF_BSON_DATE, 8), (uint64_t)((int64_t)(int32_t)reef_get32(bytes) * 1000));
	} else if (size == 8) {
		memcpy(reef_bson_element_add(e, REEF_BSON_DATE, 8), s, 8);
	} else {
		reef_bson_element_fail(e, "Invalid date");
	}
}

/* Payloads that are kept as the format has them. */
static void raw_element(struct reef_bson_encoder *e, uint8_t type, const char *s, size_t size) {
	size_t need;
	const char *error;
	if (!reef_bson_reader_payload(type, (const uint8_t *)s, size, e->at.depth, &need, &error)) {
		reef_bson_element_fail(e, error);
	}
	if (need != size) {
		reef_bson_element_fail(e, "Bytes after the value");
	}
	uint8_t *p = reef_bson_element_add(e, type, size);
	if (size > 0) {
		memcpy(p, s, size);
	}
	if (type == REEF_BSON_REGEX) {
		size_t flags = strlen(s) + 1;
		reef_bson_regex_sort_flags((char *)p + flags, size - flags - 1);
	}
}

void reef_bson_element_tagged(struct reef_bson_encoder *e, const char *s, size_t size) {
	uint8_t type = (uint8_t)s[1];
	s += 2;
	size -= 2;
	switch (type) {
	case REEF_BSON_STRING:
		reef_bson_element_string(e, s, size);
		break;
	case REEF_BSON_BINARY:
		binary_element(e, s, size);
		break;
	case REEF_BSON_DATE:
		date_element(e, s, size);
		break;
	case REEF_BSON_UNDEFINED:
	case REEF_BSON_OBJECTID:
	case REEF_BSON_NULL:
	case REEF_BSON_REGEX:
	case REEF_BSON_DBPOINTER:
	case REEF_BSON_CODE:
	case REEF_BSON_SYMBOL:
	case REEF_BSON_CODE_SCOPE:
	case REEF_BSON_TIMESTAMP:
	case REEF_BSON_INT64:
	case REEF_BSON_DECIMAL128:
	case REEF_BSON_MINKEY:
	case REEF_BSON_MAXKEY:
		raw_element(e, type, s, size);
		break;
	default:
		lua_pushfstring(e->L, "Invalid subtype %d", (int)type);
		reef_bson_element_fail(e, lua_tostring(e->L, -1));
	}
}

void reef_bson_element_document(struct reef_bson_encoder *e, const uint8_t *data, size_t size) {
	memcpy(reef_bson_element_add(e, REEF_BSON_DOCUMENT, size), data, size);
}
