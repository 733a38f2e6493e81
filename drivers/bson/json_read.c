/* See json_read.h.
 *
 * A recursive descent over the text that writes elements as it goes. Only an object's first key tells whether it is a
 * document or a typed value such as {"$oid": "..."}: the element's type byte is written first and set when that is
 * known.
 */
#include "json_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "json_text.h"
#include "json_types.h"

/* The number's payload; the type goes to where `type` says. */
static bool json_number(struct reef_json *j, size_t type) {
	char text[400];
	bool integral;
	int64_t i;
	double d;
	if (!reef_json_number(j, text, sizeof(text), &integral)) {
		return false;
	}
	if (integral && reef_json_parse_int(text, &i)) {
		bool small = i >= INT32_MIN && i <= INT32_MAX;
		j->w->data[type] = small ? REEF_BSON_INT32 : REEF_BSON_INT64;
		return small ? reef_json_put32(j, (uint32_t)i) : reef_json_put64(j, (uint64_t)i);
	}
	if (!reef_json_parse_double(text, &d) || isinf(d)) {
		return reef_json_fail(j, "malformed number");
	}
	j->w->data[type] = REEF_BSON_DOUBLE;
	return reef_json_put_double(j, d);
}

/* ---- documents ---- */

static bool json_value(struct reef_json *j, size_t type, int depth);

static bool json_begin(struct reef_json *j, size_t *start) {
	*start = j->w->size;
	return reef_json_put32(j, 0);
}

static bool json_end(struct reef_json *j, size_t start) {
	if (!reef_json_put_byte(j, 0)) {
		return false;
	}
	reef_put32(j->w->data + start, (uint32_t)(j->w->size - start));
	return true;
}

/* The members from the key that comes next on, to the closing brace. */
static bool json_members(struct reef_json *j, int depth) {
	size_t start;
	bool more = true;
	if (!json_begin(j, &start)) {
		return false;
	}
	while (more) {
		size_t type = j->w->size;
		if (!reef_json_put_byte(j, 0) || !reef_json_append_cstring(j) || !reef_json_expect(j, ':') ||
			!json_value(j, type, depth) || !reef_json_more(j, '}', &more)) {
			return false;
		}
	}
	return json_end(j, start);
}

static bool json_document(struct reef_json *j, int depth) {
	size_t start;
	if (depth > REEF_BSON_DEPTH) {
		return reef_json_fail(j, "nested too deeply");
	}
	if (!reef_json_expect(j, '{')) {
		return false;
	}
	if (reef_json_peek(j) == '}') {
		j->at++;
		return json_begin(j, &start) && json_end(j, start);
	}
	return json_members(j, depth);
}

static bool json_array(struct reef_json *j, int depth) {
	size_t start;
	bool more;
	if (depth > REEF_BSON_DEPTH) {
		return reef_json_fail(j, "nested too deeply");
	}
	j->at++;
	if (!json_begin(j, &start)) {
		return false;
	}
	more = reef_json_peek(j) != ']';
	if (!more) {
		j->at++;
	}
	for (unsigned i = 0; more; i++) {
		char key[16];
		size_t type = j->w->size;
		int n = snprintf(key, sizeof(key), "%u", i);
		if (!reef_json_put_byte(j, 0) || !reef_json_put(j, key, (size_t)n + 1) || !json_value(j, type, depth) ||
			!reef_json_more(j, ']', &more)) {
			return false;
		}
	}
	return json_end(j, start);
}

static bool json_object(struct reef_json *j, size_t type, int depth) {
	enum reef_json_typed typed = reef_json_types_value(j, type, depth);
	if (typed != REEF_JSON_NOT_TYPED) {
		return typed == REEF_JSON_TYPED;
	}
	j->w->data[type] = REEF_BSON_DOCUMENT;
	return json_document(j, depth);
}

static bool json_value(struct reef_json *j, size_t type, int depth) {
	char c = reef_json_peek(j);
	switch (c) {
	case '{':
		return json_object(j, type, depth + 1);
	case '[':
		j->w->data[type] = REEF_BSON_ARRAY;
		return json_array(j, depth + 1);
	case '"':
		j->w->data[type] = REEF_BSON_STRING;
		return reef_json_append_text(j);
	case 't':
	case 'f':
		j->w->data[type] = REEF_BSON_BOOLEAN;
		return reef_json_word(j, c == 't' ? "true" : "false") && reef_json_put_byte(j, c == 't');
	case 'n':
		j->w->data[type] = REEF_BSON_NULL;
		return reef_json_word(j, "null");
	default:
		return json_number(j, type);
	}
}

bool reef_json_read(struct reef_writer *w, const char *text, size_t size, struct reef_json_error *error) {
	struct reef_json j = {
			.text = text, .at = text, .end = text + size, .w = w, .error = error, .document = json_document};
	error->text[0] = 0;
	error->offset = 0;
	if (!json_document(&j, 1)) {
		return false;
	}
	if (reef_json_peek(&j) != 0 || j.at != j.end) {
		return reef_json_fail(&j, "text after the document");
	}
	return true;
}
