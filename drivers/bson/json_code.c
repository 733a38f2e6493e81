/* See json_code.h. */
#include "json_code.h"

#include <string.h>

#include "format.h"

bool reef_json_code_value(struct reef_json *j, size_t type, int depth) {
	size_t start = j->w->size;
	char key[16];
	size_t size;
	if (!reef_json_append_text(j)) {
		return false;
	}
	if (reef_json_peek(j) != ',') {
		return true;
	}
	j->at++;
	if (!reef_json_string(j, key, sizeof(key), &size) || !reef_json_expect(j, ':')) {
		return false;
	}
	if (strcmp(key, "$scope") != 0) {
		return reef_json_fail(j, "unexpected key \"%s\"", key);
	}
	j->w->data[type] = REEF_BSON_CODE_SCOPE;
	size_t text = j->w->size - start;
	if (!reef_json_put32(j, 0)) {
		return false;
	}
	memmove(j->w->data + start + 4, j->w->data + start, text);
	if (!j->document(j, depth + 1)) {
		return false;
	}
	reef_put32(j->w->data + start, (uint32_t)(j->w->size - start));
	return true;
}

/* Where the object that begins at p ends, by its brackets alone; NULL if it does not. */
static const char *skip_object(const char *p, const char *end) {
	int open = 0;
	bool quoted = false;
	for (; p < end; p++) {
		if (quoted && *p == '\\') {
			p++;
			continue;
		}
		if (quoted) {
			quoted = *p != '"';
			continue;
		}
		quoted = *p == '"';
		open += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
		if (open == 0) {
			return p + 1;
		}
	}
	return NULL;
}

enum reef_json_typed reef_json_code_scope_first(struct reef_json *j, size_t type, int depth) {
	size_t start = j->w->size;
	char key[16];
	size_t size;
	bool more;
	const char *end = reef_json_peek(j) == '{' ? skip_object(j->at, j->end) : NULL;
	if (end == NULL) {
		return REEF_JSON_NOT_TYPED;
	}
	const char *scope = j->at;
	j->at = end;
	if (!reef_json_more(j, '}', &more) || !more || !reef_json_string(j, key, sizeof(key), &size) ||
		strcmp(key, "$code") != 0 || !reef_json_expect(j, ':')) {
		return REEF_JSON_NOT_TYPED;
	}
	j->w->data[type] = REEF_BSON_CODE_SCOPE;
	if (!reef_json_put32(j, 0) || !reef_json_append_text(j) || !reef_json_expect(j, '}')) {
		return REEF_JSON_BAD;
	}
	end = j->at;
	j->at = scope;
	if (!j->document(j, depth + 1)) {
		return REEF_JSON_BAD;
	}
	j->at = end;
	reef_put32(j->w->data + start, (uint32_t)(j->w->size - start));
	return REEF_JSON_TYPED;
}
