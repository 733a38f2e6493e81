/* See json_types.h.
 *
 * A typed value has exactly the keys it should have. Whatever begins with another key is an ordinary document, also
 * when the key begins with a dollar.
 */
#include "json_types.h"

#include <string.h>

#include "base64.h"
#include "decimal.h"
#include "format.h"
#include "hex.h"
#include "json_code.h"
#include "regex.h"
#include "rfc3339.h"

struct typed {
	const char *key;
	uint8_t type;
	bool (*parse)(struct reef_json *j, size_t type, int depth);
};

/* A string that holds an integer from low to high. */
static bool integer_string(struct reef_json *j, int64_t low, int64_t high, int64_t *out) {
	char text[32];
	size_t size;
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	if (strlen(text) != size || !reef_json_parse_int(text, out) || *out < low || *out > high) {
		return reef_json_fail(j, "not an integer of that type");
	}
	return true;
}

static bool int32_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	int64_t i;
	return integer_string(j, INT32_MIN, INT32_MAX, &i) && reef_json_put32(j, (uint32_t)i);
}

static bool int64_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	int64_t i;
	return integer_string(j, INT64_MIN, INT64_MAX, &i) && reef_json_put64(j, (uint64_t)i);
}

static bool double_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	char text[400];
	size_t size;
	double d;
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	bool named = strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0 || strcmp(text, "NaN") == 0;
	if (strlen(text) != size || (!named && strspn(text, "0123456789+-.eE") != size) ||
		!reef_json_parse_double(text, &d)) {
		return reef_json_fail(j, "not a double");
	}
	return reef_json_put_double(j, d);
}

static bool decimal_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	char text[1024];
	size_t size;
	uint8_t p[REEF_DECIMAL_SIZE];
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	if (strlen(text) != size || !reef_decimal_parse(p, text)) {
		return reef_json_fail(j, "not a decimal128");
	}
	return reef_json_put(j, p, sizeof(p));
}

static bool oid_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	char text[32];
	size_t size;
	uint8_t oid[REEF_BSON_OID_SIZE];
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	if (size != 2 * sizeof(oid) || !reef_hex_decode(oid, text, size)) {
		return reef_json_fail(j, "not 24 hexadecimal digits");
	}
	return reef_json_put(j, oid, sizeof(oid));
}

static bool text_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	return reef_json_append_text(j);
}

static bool expect_key(struct reef_json *j, const char *key) {
	char text[32];
	size_t size;
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	if (strcmp(text, key) != 0) {
		return reef_json_fail(j, "\"%s\" expected", key);
	}
	return reef_json_expect(j, ':');
}

static bool date_value(struct reef_json *j, size_t type, int depth) {
	char text[64];
	size_t size;
	int64_t ms;
	if (reef_json_peek(j) == '{') {
		j->at++;
		return expect_key(j, "$numberLong") && int64_value(j, type, depth) && reef_json_expect(j, '}');
	}
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	if (strlen(text) != size || !reef_rfc3339_parse(text, &ms)) {
		return reef_json_fail(j, "not a date");
	}
	return reef_json_put64(j, (uint64_t)ms);
}

/* ---- values that are objects with two members in any order ---- */

/* Reads `{"a": ..., "b": ...}`, calling parse with 0 or 1 for the member that came. */
static bool two_members(struct reef_json *j, const char *const keys[2],
						bool (*parse)(struct reef_json *j, int member, void *ud), void *ud) {
	bool seen[2] = {false, false};
	bool more = true;
	if (!reef_json_expect(j, '{')) {
		return false;
	}
	while (more) {
		char key[32];
		size_t size;
		if (!reef_json_string(j, key, sizeof(key), &size) || !reef_json_expect(j, ':')) {
			return false;
		}
		int member = strcmp(key, keys[0]) == 0 ? 0 : strcmp(key, keys[1]) == 0 ? 1 : -1;
		if (member < 0 || seen[member]) {
			return reef_json_fail(j, "unexpected key \"%s\"", key);
		}
		seen[member] = true;
		if (!parse(j, member, ud) || !reef_json_more(j, '}', &more)) {
			return false;
		}
	}
	if (!seen[0] || !seen[1]) {
		return reef_json_fail(j, "\"%s\" is missing", keys[seen[0] ? 1 : 0]);
	}
	return true;
}

struct binary {
	size_t start; /* of the payload */
	uint8_t subtype;
};

static bool binary_member(struct reef_json *j, int member, void *ud) {
	struct binary *b = ud;
	char text[8];
	size_t size;
	if (member == 0) {
		size_t start = j->w->size;
		if (!reef_json_append_string(j)) {
			return false;
		}
		size = j->w->size - start;
		bool good = reef_base64_decode(j->w->data + start, &size);
		j->w->size = start + size;
		return good || reef_json_fail(j, "not base64");
	}
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	int high = size == 2 ? reef_hex_digit(text[0]) : 0;
	int low = size == 2 ? reef_hex_digit(text[1]) : size == 1 ? reef_hex_digit(text[0]) : -1;
	if (high < 0 || low < 0) {
		return reef_json_fail(j, "not a subtype");
	}
	b->subtype = (uint8_t)(high << 4 | low);
	return true;
}

static bool binary_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	static const char *const keys[2] = {"base64", "subType"};
	struct binary b = {.start = j->w->size};
	if (!reef_json_put(j, "\0\0\0\0\0", 5) || !two_members(j, keys, binary_member, &b)) {
		return false;
	}
	uint32_t size = (uint32_t)(j->w->size - b.start - 5);
	if (b.subtype == 2) {
		if (!reef_json_put32(j, 0)) {
			return false;
		}
		uint8_t *bytes = j->w->data + b.start + 5;
		memmove(bytes + 4, bytes, size);
		reef_put32(bytes, size);
		size += 4;
	}
	reef_put32(j->w->data + b.start, size);
	j->w->data[b.start + 4] = b.subtype;
	return true;
}

static bool uuid_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	char text[64];
	size_t size;
	uint8_t payload[5 + 16] = {16, 0, 0, 0, 4};
	if (!reef_json_string(j, text, sizeof(text), &size)) {
		return false;
	}
	if (!reef_hex_decode_uuid(payload + 5, text, size)) {
		return reef_json_fail(j, "not a UUID");
	}
	return reef_json_put(j, payload, sizeof(payload));
}

/* Where the two parts of a value were written, whatever their order in the text. */
struct parts {
	size_t start[2], size[2];
};

static bool regex_member(struct reef_json *j, int member, void *ud) {
	struct parts *r = ud;
	r->start[member] = j->w->size;
	if (!reef_json_append_cstring(j)) {
		return false;
	}
	r->size[member] = j->w->size - r->start[member];
	return true;
}

static bool regex_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	static const char *const keys[2] = {"pattern", "options"};
	struct parts r;
	size_t start = j->w->size;
	if (!two_members(j, keys, regex_member, &r)) {
		return false;
	}
	if (r.start[1] == start) {
		uint8_t *copy = reef_writer_add(j->w, r.size[1]);
		if (copy == NULL) {
			return reef_json_fail(j, "document too large");
		}
		uint8_t *p = j->w->data + start;
		memcpy(copy, p, r.size[1]);
		memmove(p, p + r.size[1], r.size[0] + r.size[1]);
		j->w->size -= r.size[1];
	}
	reef_bson_regex_sort_flags((char *)j->w->data + start + r.size[0], r.size[1] - 1);
	return true;
}

static bool timestamp_member(struct reef_json *j, int member, void *ud) {
	uint32_t *parts = ud;
	char text[32];
	bool integral;
	int64_t i;
	reef_json_peek(j);
	if (!reef_json_number(j, text, sizeof(text), &integral)) {
		return false;
	}
	if (!integral || !reef_json_parse_int(text, &i) || i < 0 || i > UINT32_MAX) {
		return reef_json_fail(j, "not an unsigned 32-bit number");
	}
	parts[member] = (uint32_t)i;
	return true;
}

static bool timestamp_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	static const char *const keys[2] = {"t", "i"};
	uint32_t parts[2];
	return two_members(j, keys, timestamp_member, parts) && reef_json_put32(j, parts[1]) &&
		   reef_json_put32(j, parts[0]);
}

static bool pointer_member(struct reef_json *j, int member, void *ud) {
	struct parts *r = ud;
	r->start[member] = j->w->size;
	bool ok = member == 0 ? reef_json_append_text(j)
						  : reef_json_expect(j, '{') && expect_key(j, "$oid") && oid_value(j, 0, 0) &&
									reef_json_expect(j, '}');
	r->size[member] = j->w->size - r->start[member];
	return ok;
}

static bool pointer_value(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	static const char *const keys[2] = {"$ref", "$id"};
	struct parts r;
	size_t start = j->w->size;
	if (!two_members(j, keys, pointer_member, &r)) {
		return false;
	}
	if (r.start[1] == start) {
		uint8_t oid[REEF_BSON_OID_SIZE];
		uint8_t *p = j->w->data + start;
		memcpy(oid, p, sizeof(oid));
		memmove(p, p + sizeof(oid), r.size[0]);
		memcpy(p + r.size[0], oid, sizeof(oid));
	}
	return true;
}

/* ---- constants ---- */

static bool one(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	char text[8];
	bool integral;
	reef_json_peek(j);
	if (!reef_json_number(j, text, sizeof(text), &integral)) {
		return false;
	}
	return strcmp(text, "1") == 0 || reef_json_fail(j, "1 expected");
}

static bool truth(struct reef_json *j, size_t type, int depth) {
	(void)type, (void)depth;
	return reef_json_word(j, "true");
}

static const struct typed typed_values[] = {
		{"$numberInt", REEF_BSON_INT32, int32_value},
		{"$numberLong", REEF_BSON_INT64, int64_value},
		{"$numberDouble", REEF_BSON_DOUBLE, double_value},
		{"$numberDecimal", REEF_BSON_DECIMAL128, decimal_value},
		{"$oid", REEF_BSON_OBJECTID, oid_value},
		{"$date", REEF_BSON_DATE, date_value},
		{"$binary", REEF_BSON_BINARY, binary_value},
		{"$uuid", REEF_BSON_BINARY, uuid_value},
		{"$regularExpression", REEF_BSON_REGEX, regex_value},
		{"$timestamp", REEF_BSON_TIMESTAMP, timestamp_value},
		{"$dbPointer", REEF_BSON_DBPOINTER, pointer_value},
		{"$code", REEF_BSON_CODE, reef_json_code_value},
		{"$symbol", REEF_BSON_SYMBOL, text_value},
		{"$undefined", REEF_BSON_UNDEFINED, truth},
		{"$minKey", REEF_BSON_MINKEY, one},
		{"$maxKey", REEF_BSON_MAXKEY, one},
};

/* Behind the colon of a first key. */
static enum reef_json_typed typed_value(struct reef_json *j, const char *key, size_t type, int depth) {
	if (strcmp(key, "$scope") == 0) {
		return reef_json_code_scope_first(j, type, depth);
	}
	for (size_t i = 0; i < sizeof(typed_values) / sizeof(typed_values[0]); i++) {
		const struct typed *t = &typed_values[i];
		if (strcmp(t->key, key) == 0) {
			j->w->data[type] = t->type;
			return t->parse(j, type, depth) && reef_json_expect(j, '}') ? REEF_JSON_TYPED : REEF_JSON_BAD;
		}
	}
	return REEF_JSON_NOT_TYPED;
}

enum reef_json_typed reef_json_types_value(struct reef_json *j, size_t type, int depth) {
	const char *open = j->at;
	size_t start = j->w->size;
	char key[24];
	size_t size;
	enum reef_json_typed typed = REEF_JSON_NOT_TYPED;
	if (depth > REEF_BSON_DEPTH) {
		reef_json_fail(j, "nested too deeply");
		return REEF_JSON_BAD;
	}
	j->at++;
	if (reef_json_peek(j) == '"' && j->end - j->at > 1 && j->at[1] == '$' &&
		reef_json_string(j, key, sizeof(key), &size) && reef_json_expect(j, ':')) {
		typed = typed_value(j, key, type, depth);
	}
	if (typed == REEF_JSON_NOT_TYPED) {
		j->error->text[0] = 0;
		j->w->size = start;
		j->at = open;
	}
	return typed;
}
