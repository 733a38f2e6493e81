/* Any bytes as HTTP messages, one after the other: never a crash, never more than the limits, and however they are cut,
 * the same messages and the same refusal.
 *
 * The first byte of the input says what they are and how long the pieces are. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/http/parser.h"

static const struct reef_http_limits limits = {.head = 2000, .fields = 20, .body = 1000};

/* What was read, as text. */
struct story {
	char *text;
	size_t size;
};

static void tell(struct story *s, const void *bytes, size_t n) {
	s->text = realloc(s->text, s->size + n + 1);
	if (n > 0)
		memcpy(s->text + s->size, bytes, n);
	s->size += n;
}

static void tell_message(struct story *s, const struct reef_http_parser *p) {
	if (p->size > 2 * limits.head || p->count > limits.fields || p->body_size > limits.body)
		abort();
	int flags[] = {p->has_body, p->chunked, p->keep_alive, p->upgrade, p->llhttp.status_code, p->llhttp.method};
	tell(s, flags, sizeof flags);
	tell(s, p->text, p->size);
	for (uint32_t i = 0; i < p->count; i++) {
		const struct reef_http_field *f = &p->fields[i];
		if (f->name + f->name_size > p->size || f->value + f->value_size > p->size)
			abort();
		tell(s, f, sizeof *f);
	}
	tell(s, p->body, p->body_size);
}

static struct story read_all(const uint8_t *bytes, size_t size, size_t step, int kind) {
	struct reef_http_parser p;
	struct story story = {0};
	reef_http_parser_init(&p, kind & 1, &limits);
	p.no_body = kind & 2;
	for (size_t at = 0; at < size && !p.error;) {
		size_t n = step < size - at ? step : size - at;
		size_t taken = reef_http_parser_feed(&p, (const char *)bytes + at, n);
		if (taken > n || (taken < n && !p.done && !p.error))
			abort();
		at += taken;
		if (p.done) {
			tell_message(&story, &p);
			reef_http_parser_next(&p);
			p.no_body = kind & 2;
		}
	}
	if (!p.error && (p.head_done || p.before_head > 0)) {
		reef_http_parser_end(&p);
		if (!p.done && !p.error)
			abort();
		if (p.done)
			tell_message(&story, &p);
	}
	/* What is too long behind a body may be found out before or after the mistake in it. */
	if (p.status == 413 && p.behind_head > limits.head)
		p.status = 400;
	tell(&story, &p.status, sizeof p.status);
	reef_http_parser_fini(&p);
	return story;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 2)
		return 0;
	struct story whole = read_all(data + 1, size - 1, size, data[0] & 3);
	struct story pieces = read_all(data + 1, size - 1, (data[0] >> 2) + 1, data[0] & 3);
	if (whole.size != pieces.size || memcmp(whole.text, pieces.text, whole.size) != 0) {
		fprintf(stderr, "cut into pieces it is read in another way\n");
		abort();
	}
	free(whole.text);
	free(pieces.text);
	return 0;
}
