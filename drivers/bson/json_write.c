/* See json_write.h. No spaces, keys in the document's order.
 *
 * The document was checked as a whole before, so this only walks. Every piece goes through `put`, which remembers a
 * full writer; the caller looks once, at the end.
 */
#include "json_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base64.h"
#include "decimal.h"
#include "format.h"
#include "reader.h"

struct printer {
	struct reef_writer *w;
	bool canonical;
	bool full;
};

static void put(struct printer *p, const char *text, size_t size) {
	p->full = p->full || !reef_writer_bytes(p->w, text, size);
}

static void puts_(struct printer *p, const char *text) {
	put(p, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void putf(struct printer *p, const char *format, ...) {
	char text[160];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(p, text, (size_t)n);
}

static void put_string(struct printer *p, const char *s, size_t size) {
	static const char escapes[] = "\b\f\n\r\t\"\\";
	static const char letters[] = "bfnrt\"\\";
	size_t from = 0;
	put(p, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		uint8_t c = (uint8_t)s[i];
		if (c >= 0x20 && c != '"' && c != '\\') {
			continue;
		}
		put(p, s + from, i - from);
		from = i + 1;
		const char *escape = c != 0 ? strchr(escapes, c) : NULL;
		if (escape != NULL) {
			putf(p, "\\%c", letters[escape - escapes]);
		} else {
			putf(p, "\\u%04x", c);
		}
	}
	put(p, s + from, size - from);
	put(p, "\"", 1);
}

static void put_base64(struct printer *p, const uint8_t *s, size_t size) {
	char out[4];
	for (size_t i = 0; i < size; i += 3) {
		reef_base64_encode_group(out, s + i, size - i);
		put(p, out, 4);
	}
}

/* The shortest text that reads back as the same number, always with a point or an exponent. */
static void format_double(char *text, size_t size, double d) {
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, size, "%.*g", digits, d);
		if (strtod(text, NULL) == d) {
			break;
		}
	}
	char *exponent = strchr(text, 'e');
	if (exponent != NULL) {
		*exponent = 'E';
	} else if (strchr(text, '.') == NULL) {
		strncat(text, ".0", size - strlen(text) - 1);
	}
}

static void put_double(struct printer *p, const uint8_t *bytes) {
	uint64_t bits = reef_get64(bytes);
	double d;
	char text[40];
	memcpy(&d, &bits, 8);
	if (isnan(d)) {
		puts_(p, "{\"$numberDouble\":\"NaN\"}");
	} else if (isinf(d)) {
		putf(p, "{\"$numberDouble\":\"%sInfinity\"}", d < 0 ? "-" : "");
	} else {
		format_double(text, sizeof(text), d);
		putf(p, p->canonical ? "{\"$numberDouble\":\"%s\"}" : "%s", text);
	}
}

/* Relaxed: ISO 8601 from 1970 to 9999. */
static void put_date(struct printer *p, int64_t ms) {
	struct tm tm;
	time_t seconds = (time_t)(ms / 1000);
	char text[32];
	if (p->canonical || ms < 0 || ms > INT64_C(253402300799999) || gmtime_r(&seconds, &tm) == NULL) {
		putf(p, "{\"$date\":{\"$numberLong\":\"%" PRId64 "\"}}", ms);
		return;
	}
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	putf(p, "{\"$date\":\"%s", text);
	if (ms % 1000 != 0) {
		putf(p, ".%03d", (int)(ms % 1000));
	}
	puts_(p, "Z\"}");
}

static void put_oid(struct printer *p, const uint8_t *oid) {
	puts_(p, "{\"$oid\":\"");
	for (int i = 0; i < REEF_BSON_OID_SIZE; i++) {
		putf(p, "%02x", oid[i]);
	}
	puts_(p, "\"}");
}

static void put_binary(struct printer *p, const uint8_t *v, size_t size) {
	size_t head = v[4] == 2 ? 9 : 5;
	puts_(p, "{\"$binary\":{\"base64\":\"");
	put_base64(p, v + head, size - head);
	putf(p, "\",\"subType\":\"%02x\"}}", v[4]);
}

static void put_regex(struct printer *p, const char *pattern) {
	size_t size = strlen(pattern);
	puts_(p, "{\"$regularExpression\":{\"pattern\":");
	put_string(p, pattern, size);
	puts_(p, ",\"options\":");
	put_string(p, pattern + size + 1, strlen(pattern + size + 1));
	puts_(p, "}}");
}

static void put_decimal(struct printer *p, const uint8_t *v) {
	char text[REEF_DECIMAL_TEXT];
	reef_decimal_print(text, v);
	putf(p, "{\"$numberDecimal\":\"%s\"}", text);
}

/* A length, the text, a NUL; answers what comes behind. */
static const uint8_t *put_text(struct printer *p, const uint8_t *v) {
	uint32_t size = reef_get32(v);
	put_string(p, (const char *)v + 4, size - 1);
	return v + 4 + size;
}

static void put_document(struct printer *p, const uint8_t *data, size_t size, bool is_array);

static void put_int64(struct printer *p, int64_t i) {
	putf(p, p->canonical ? "{\"$numberLong\":\"%" PRId64 "\"}" : "%" PRId64, i);
}

static void put_int32(struct printer *p, int32_t i) {
	putf(p, p->canonical ? "{\"$numberInt\":\"%" PRId32 "\"}" : "%" PRId32, i);
}

static void put_pointer(struct printer *p, const uint8_t *v) {
	puts_(p, "{\"$dbPointer\":{\"$ref\":");
	const uint8_t *oid = put_text(p, v);
	puts_(p, ",\"$id\":");
	put_oid(p, oid);
	puts_(p, "}}");
}

static void put_code_scope(struct printer *p, const uint8_t *v) {
	puts_(p, "{\"$code\":");
	const uint8_t *scope = put_text(p, v + 4);
	puts_(p, ",\"$scope\":");
	put_document(p, scope, reef_get32(scope), false);
	put(p, "}", 1);
}

static void put_wrapped(struct printer *p, const char *name, const uint8_t *v) {
	putf(p, "{\"%s\":", name);
	put_text(p, v);
	put(p, "}", 1);
}

static void put_value(struct printer *p, const struct reef_bson_element *e) {
	const uint8_t *v = e->value;
	switch (e->type) {
	case REEF_BSON_DOUBLE:
		put_double(p, v);
		break;
	case REEF_BSON_STRING:
		put_text(p, v);
		break;
	case REEF_BSON_DOCUMENT:
	case REEF_BSON_ARRAY:
		put_document(p, v, e->value_size, e->type == REEF_BSON_ARRAY);
		break;
	case REEF_BSON_BINARY:
		put_binary(p, v, e->value_size);
		break;
	case REEF_BSON_UNDEFINED:
		puts_(p, "{\"$undefined\":true}");
		break;
	case REEF_BSON_OBJECTID:
		put_oid(p, v);
		break;
	case REEF_BSON_BOOLEAN:
		puts_(p, v[0] != 0 ? "true" : "false");
		break;
	case REEF_BSON_DATE:
		put_date(p, (int64_t)reef_get64(v));
		break;
	case REEF_BSON_NULL:
		puts_(p, "null");
		break;
	case REEF_BSON_REGEX:
		put_regex(p, (const char *)v);
		break;
	case REEF_BSON_DBPOINTER:
		put_pointer(p, v);
		break;
	case REEF_BSON_CODE:
		put_wrapped(p, "$code", v);
		break;
	case REEF_BSON_SYMBOL:
		put_wrapped(p, "$symbol", v);
		break;
	case REEF_BSON_CODE_SCOPE:
		put_code_scope(p, v);
		break;
	case REEF_BSON_INT32:
		put_int32(p, (int32_t)reef_get32(v));
		break;
	case REEF_BSON_TIMESTAMP:
		putf(p, "{\"$timestamp\":{\"t\":%" PRIu32 ",\"i\":%" PRIu32 "}}", reef_get32(v + 4), reef_get32(v));
		break;
	case REEF_BSON_INT64:
		put_int64(p, (int64_t)reef_get64(v));
		break;
	case REEF_BSON_DECIMAL128:
		put_decimal(p, v);
		break;
	case REEF_BSON_MINKEY:
		puts_(p, "{\"$minKey\":1}");
		break;
	default:
		puts_(p, "{\"$maxKey\":1}");
		break;
	}
}

static void put_document(struct printer *p, const uint8_t *data, size_t size, bool is_array) {
	struct reef_bson_reader r;
	struct reef_bson_element e;
	bool first = true;
	put(p, is_array ? "[" : "{", 1);
	reef_bson_reader_open(&r, data, size, 1);
	while (!p->full && reef_bson_reader_next(&r, &e) > 0) {
		if (!first) {
			put(p, ",", 1);
		}
		first = false;
		if (!is_array) {
			put_string(p, e.key, e.key_size);
			put(p, ":", 1);
		}
		put_value(p, &e);
	}
	put(p, is_array ? "]" : "}", 1);
}

bool reef_json_write(struct reef_writer *w, const uint8_t *data, size_t size, bool canonical) {
	struct printer p = {.w = w, .canonical = canonical};
	put_document(&p, data, size, false);
	return !p.full;
}
