/* See json_text.h. */
#include "json_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

bool reef_json_fail(struct reef_json *j, const char *format, ...) {
	if (j->error->text[0] == 0) {
		va_list args;
		va_start(args, format);
		vsnprintf(j->error->text, sizeof(j->error->text), format, args);
		va_end(args);
		j->error->offset = (size_t)(j->at - j->text);
	}
	return false;
}

bool reef_json_put(struct reef_json *j, const void *bytes, size_t size) {
	return reef_writer_bytes(j->w, bytes, size) || reef_json_fail(j, "document too large");
}

bool reef_json_put_byte(struct reef_json *j, uint8_t byte) {
	return reef_json_put(j, &byte, 1);
}

bool reef_json_put32(struct reef_json *j, uint32_t v) {
	uint8_t p[4];
	reef_put32(p, v);
	return reef_json_put(j, p, 4);
}

bool reef_json_put64(struct reef_json *j, uint64_t v) {
	uint8_t p[8];
	reef_put64(p, v);
	return reef_json_put(j, p, 8);
}

/* ---- the text ---- */

static void skip_space(struct reef_json *j) {
	while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) {
		j->at++;
	}
}

char reef_json_peek(struct reef_json *j) {
	skip_space(j);
	return j->at < j->end ? *j->at : 0;
}

bool reef_json_expect(struct reef_json *j, char c) {
	if (reef_json_peek(j) != c || j->at == j->end) {
		return reef_json_fail(j, "'%c' expected", c);
	}
	j->at++;
	return true;
}

static bool word(struct reef_json *j, const char *text) {
	size_t size = strlen(text);
	if ((size_t)(j->end - j->at) < size || memcmp(j->at, text, size) != 0) {
		return reef_json_fail(j, "value expected");
	}
	j->at += size;
	return true;
}

bool reef_json_word(struct reef_json *j, const char *text) {
	skip_space(j);
	return word(j, text);
}

static bool hex4(struct reef_json *j, uint32_t *out) {
	*out = 0;
	for (int i = 0; i < 4; i++) {
		char c = j->at < j->end ? *j->at++ : 0;
		uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
					 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
					 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
											: 16;
		if (d == 16) {
			return reef_json_fail(j, "four hexadecimal digits expected");
		}
		*out = *out << 4 | d;
	}
	return true;
}

static bool put_code_point(struct reef_json *j, uint32_t c) {
	uint8_t p[4];
	size_t n;
	if (c < 0x80) {
		p[0] = (uint8_t)c;
		n = 1;
	} else if (c < 0x800) {
		p[0] = (uint8_t)(0xc0 | c >> 6);
		n = 2;
	} else if (c < 0x10000) {
		p[0] = (uint8_t)(0xe0 | c >> 12);
		n = 3;
	} else {
		p[0] = (uint8_t)(0xf0 | c >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++) {
		p[i] = (uint8_t)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
	}
	return reef_json_put(j, p, n);
}

static bool unicode_escape(struct reef_json *j) {
	uint32_t c, low;
	if (!hex4(j, &c)) {
		return false;
	}
	if (c >= 0xdc00 && c <= 0xdfff) {
		return reef_json_fail(j, "lone surrogate");
	}
	if (c >= 0xd800 && c <= 0xdbff) {
		if (!word(j, "\\u") || !hex4(j, &low)) {
			return false;
		}
		if (low < 0xdc00 || low > 0xdfff) {
			return reef_json_fail(j, "lone surrogate");
		}
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	return put_code_point(j, c);
}

static bool escape(struct reef_json *j) {
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	char c = j->at < j->end ? *j->at++ : 0;
	if (c == 'u') {
		return unicode_escape(j);
	}
	const char *found = c != 0 ? strchr(letters, c) : NULL;
	if (found == NULL) {
		return reef_json_fail(j, "unknown escape");
	}
	return reef_json_put_byte(j, (uint8_t)meanings[found - letters]);
}

bool reef_json_append_string(struct reef_json *j) {
	size_t start = j->w->size;
	if (!reef_json_expect(j, '"')) {
		return false;
	}
	for (;;) {
		const char *from = j->at;
		while (j->at < j->end && *j->at != '"' && *j->at != '\\' && (uint8_t)*j->at >= 0x20) {
			j->at++;
		}
		if (!reef_json_put(j, from, (size_t)(j->at - from))) {
			return false;
		}
		if (j->at == j->end || (uint8_t)*j->at < 0x20) {
			return reef_json_fail(j, "string not ended");
		}
		if (*j->at++ == '"') {
			break;
		}
		if (!escape(j)) {
			return false;
		}
	}
	if (!reef_utf8_valid((const char *)j->w->data + start, j->w->size - start)) {
		return reef_json_fail(j, "invalid UTF-8");
	}
	return true;
}

bool reef_json_string(struct reef_json *j, char *out, size_t room, size_t *size) {
	size_t start = j->w->size;
	if (!reef_json_append_string(j)) {
		return false;
	}
	*size = j->w->size - start;
	j->w->size = start;
	if (*size >= room) {
		return reef_json_fail(j, "string too long here");
	}
	memcpy(out, j->w->data + start, *size);
	out[*size] = 0;
	return true;
}

static bool no_nul(struct reef_json *j, size_t start) {
	if (memchr(j->w->data + start, 0, j->w->size - start) != NULL) {
		return reef_json_fail(j, "NUL where none may be");
	}
	return true;
}

bool reef_json_append_cstring(struct reef_json *j) {
	size_t start = j->w->size;
	return reef_json_append_string(j) && no_nul(j, start) && reef_json_put_byte(j, 0);
}

bool reef_json_append_text(struct reef_json *j) {
	size_t start = j->w->size;
	if (!reef_json_put32(j, 0) || !reef_json_append_string(j) || !reef_json_put_byte(j, 0)) {
		return false;
	}
	reef_put32(j->w->data + start, (uint32_t)(j->w->size - start - 4));
	return true;
}

/* ---- numbers ---- */

static size_t digits(struct reef_json *j) {
	const char *from = j->at;
	while (j->at < j->end && *j->at >= '0' && *j->at <= '9') {
		j->at++;
	}
	return (size_t)(j->at - from);
}

static bool accept(struct reef_json *j, const char *any) {
	if (j->at == j->end || *j->at == 0 || strchr(any, *j->at) == NULL) {
		return false;
	}
	j->at++;
	return true;
}

/* RFC 8259, section 6. */
bool reef_json_number(struct reef_json *j, char *out, size_t room, bool *integral) {
	const char *from = j->at;
	*integral = true;
	accept(j, "-");
	bool zero = j->at < j->end && *j->at == '0';
	size_t n = digits(j);
	bool good = n == 1 || (n > 1 && !zero);
	if (good && accept(j, ".")) {
		*integral = false;
		good = digits(j) > 0;
	}
	if (good && accept(j, "eE")) {
		*integral = false;
		accept(j, "+-");
		good = digits(j) > 0;
	}
	size_t size = (size_t)(j->at - from);
	if (!good || size >= room) {
		return reef_json_fail(j, "number expected");
	}
	memcpy(out, from, size);
	out[size] = 0;
	return true;
}

bool reef_json_parse_int(const char *text, int64_t *out) {
	char *end;
	if (text[0] != '-' && (text[0] < '0' || text[0] > '9')) {
		return false;
	}
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && *end == 0 && end > text;
}

bool reef_json_parse_double(const char *text, double *out) {
	char *end;
	*out = strtod(text, &end);
	return *end == 0 && end > text;
}

bool reef_json_put_double(struct reef_json *j, double d) {
	uint64_t bits;
	memcpy(&bits, &d, 8);
	return reef_json_put64(j, bits);
}

/* More members? Eats the comma, or the closing character. */
bool reef_json_more(struct reef_json *j, char close, bool *more) {
	char c = reef_json_peek(j);
	if (c != ',' && c != close) {
		return reef_json_fail(j, "',' or '%c' expected", close);
	}
	j->at++;
	*more = c == ',';
	return true;
}
