/* See parser.h. */
#include "drivers/http/parser.h"

#include <string.h>
#include <strings.h>

#include "core/alloc.h"

#define KEPT ((size_t)64 * 1024) /* bytes of a buffer that wait for the next message */

static struct reef_http_parser *parser_of(llhttp_t *llhttp) {
	return llhttp->data;
}

static int parser_refuse(struct reef_http_parser *p, int status, const char *why) {
	if (p->error == NULL) {
		p->status = status;
		p->error = why;
	}
	return HPE_USER;
}

/* Makes room for `more` bytes behind `size`; false: out of memory. */
static bool parser_reserve(char **block, size_t *room, size_t size, size_t more) {
	if (*room - size >= more)
		return true;
	size_t want = *room ? *room * 2 : 512;
	while (want - size < more)
		want *= 2;
	char *bigger = reef_try_realloc(*block, want);
	if (bigger == NULL)
		return false;
	*block = bigger;
	*room = want;
	return true;
}

/* ---- the head ---- */

/* What comes behind the head has the same limit again. */
static int count_behind(struct reef_http_parser *p, size_t n) {
	if (!p->head_done)
		return 0;
	p->behind_head += n;
	return p->behind_head > p->limits.head ? parser_refuse(p, 413, "the fields behind the body are too large") : 0;
}

static int add_text(struct reef_http_parser *p, const char *at, size_t n) {
	int failed = count_behind(p, n);
	if (failed || n == 0)
		return failed;
	if (!parser_reserve(&p->text, &p->room, p->size, n))
		return parser_refuse(p, 503, "out of memory");
	memcpy(p->text + p->size, at, n);
	p->size += n;
	return 0;
}

#if LLHTTP_VERSION_MAJOR > 9 || (LLHTTP_VERSION_MAJOR == 9 && LLHTTP_VERSION_MINOR >= 3)
#define HAS_ON_PROTOCOL 1
/* llhttp reads relatives of HTTP as well. */
static int on_protocol(llhttp_t *llhttp, const char *at, size_t n) {
	static const char http[] = "HTTP";
	struct reef_http_parser *p = parser_of(llhttp);
	for (size_t i = 0; i < n; i++)
		if (p->protocol_size == sizeof http - 1 || at[i] != http[p->protocol_size++])
			return parser_refuse(p, 505, "another protocol than HTTP");
	return 0;
}
#endif

static int on_start(llhttp_t *llhttp, const char *at, size_t n) {
	struct reef_http_parser *p = parser_of(llhttp);
	p->start_size += n;
	return add_text(p, at, n);
}

/* RFC 9112, section 4: no control characters but tabs. */
static int on_reason(llhttp_t *llhttp, const char *at, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)at[i] < ' ' && at[i] != '\t') || at[i] == '\x7f')
			return parser_refuse(parser_of(llhttp), 400, "a control character in the reason phrase");
	return on_start(llhttp, at, n);
}

static struct reef_http_field *last_field(struct reef_http_parser *p) {
	return &p->fields[p->count - 1];
}

/* A name that begins: the one before has got its value. */
static int new_field(struct reef_http_parser *p) {
	if (p->count == p->fields_room) {
		uint32_t room = p->fields_room ? p->fields_room * 2 : 16;
		struct reef_http_field *bigger = reef_try_realloc(p->fields, room * sizeof *bigger);
		if (bigger == NULL)
			return parser_refuse(p, 503, "out of memory");
		p->fields = bigger;
		p->fields_room = room;
	}
	p->fields[p->count++] = (struct reef_http_field){.name = (uint32_t)p->size};
	return 0;
}

static int on_name(llhttp_t *llhttp, const char *at, size_t n) {
	struct reef_http_parser *p = parser_of(llhttp);
	/* The value's place is set when the name is complete. */
	if (p->count == (p->head_done ? p->head_count : 0) || last_field(p)->value != 0) {
		int failed = new_field(p);
		if (failed)
			return failed;
	}
	last_field(p)->name_size += (uint32_t)n;
	return add_text(p, at, n);
}

static int on_name_end(llhttp_t *llhttp) {
	struct reef_http_parser *p = parser_of(llhttp);
	/* Not before: what begins like a name may still turn out to be none. */
	if (p->count > p->limits.fields)
		return parser_refuse(p, 413, "there are too many fields");
	last_field(p)->value = (uint32_t)p->size;
	return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t n) {
	struct reef_http_parser *p = parser_of(llhttp);
	last_field(p)->value_size += (uint32_t)n;
	return add_text(p, at, n);
}

static inline bool parser_is_name(const struct reef_http_parser *p, const struct reef_http_field *f, const char *name) {
	return f->name_size == strlen(name) && strncasecmp(p->text + f->name, name, f->name_size) == 0;
}

static bool is_blank(char c) {
	return c == ' ' || c == '\t';
}

/* RFC 3986, section 3.2.2: a name or an address, and a port; none of what else an authority or a URL has. */
static bool is_host(const char *text, size_t n) {
	static const bool is_other[256] = {
			['"'] = true,  ['#'] = true, ['/'] = true, ['<'] = true, ['>'] = true, ['?'] = true, ['@'] = true,
			['\\'] = true, ['^'] = true, ['`'] = true, ['{'] = true, ['|'] = true, ['}'] = true, ['\x7f'] = true,
	};
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= ' ' || is_other[(unsigned char)text[i]])
			return false;
	return true;
}

static int on_value_end(llhttp_t *llhttp) {
	struct reef_http_parser *p = parser_of(llhttp);
	struct reef_http_field *f = last_field(p);
	while (f->value_size > 0 && is_blank(p->text[f->value + f->value_size - 1]))
		f->value_size--;
	if (p->head_done)
		return 0;
	if (parser_is_name(p, f, "host")) {
		if (++p->hosts > 1)
			return parser_refuse(p, 400, "there are two fields Host");
		if (!is_host(p->text + f->value, f->value_size))
			return parser_refuse(p, 400, "the field Host is no name with a port");
	}
	if (parser_is_name(p, f, "expect"))
		p->expects = true;
	if (!parser_is_name(p, f, "transfer-encoding"))
		return 0;
	/* Another coding in front of `chunked` would be handed on as if it was the content. */
	if (f->value_size != 7 || strncasecmp(p->text + f->value, "chunked", 7) != 0)
		return parser_refuse(p, 501, "Transfer-Encoding: only `chunked` is known");
	return ++p->encodings > 1 ? parser_refuse(p, 400, "there are two fields Transfer-Encoding") : 0;
}

/* A request of HTTP/0.9 has no version that could end. */
static int check_version(llhttp_t *llhttp) {
	return llhttp->http_major == 1 ? 0 : parser_refuse(parser_of(llhttp), 505, "only HTTP/1.0 and HTTP/1.1 are known");
}

static int on_head_end(llhttp_t *llhttp) {
	struct reef_http_parser *p = parser_of(llhttp);
	int failed = check_version(llhttp);
	if (failed)
		return failed;
	p->head_done = true;
	p->head_count = p->count;
	p->chunked = llhttp->flags & F_CHUNKED;
	p->has_body = p->chunked || ((llhttp->flags & F_CONTENT_LENGTH) && llhttp->content_length > 0);
	p->upgrade = llhttp->upgrade;
	if (p->chunked && llhttp->http_minor == 0)
		return parser_refuse(p, 400, "Transfer-Encoding is not of HTTP/1.0");
	if (p->no_body) {
		p->has_body = false;
		llhttp->flags |= F_SKIPBODY;
	}
	p->keep_alive = llhttp_should_keep_alive(llhttp);
	if (p->no_body)
		return 1;
	if (llhttp_message_needs_eof(llhttp))
		p->has_body = true;
	if ((llhttp->flags & F_CONTENT_LENGTH) && llhttp->content_length > p->limits.body)
		return parser_refuse(p, 413, "the body is too large");
	return 0;
}

/* ---- the body ---- */

static int on_body(llhttp_t *llhttp, const char *at, size_t n) {
	struct reef_http_parser *p = parser_of(llhttp);
	p->body_total += n;
	if (p->body_total > p->limits.body)
		return parser_refuse(p, 413, "the body is too large");
	if (!parser_reserve(&p->body, &p->body_room, p->body_size, n))
		return parser_refuse(p, 503, "out of memory");
	memcpy(p->body + p->body_size, at, n);
	p->body_size += n;
	return 0;
}

static int on_extension(llhttp_t *llhttp, const char *at, size_t n) {
	(void)at;
	return count_behind(parser_of(llhttp), n);
}

static int on_chunk(llhttp_t *llhttp) {
	struct reef_http_parser *p = parser_of(llhttp);
	if (llhttp->content_length > p->limits.body - p->body_total)
		return parser_refuse(p, 413, "the body is too large");
	return 0;
}

static int on_end(llhttp_t *llhttp) {
	parser_of(llhttp)->done = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
		.on_url = on_start,
#ifdef HAS_ON_PROTOCOL
		.on_protocol = on_protocol,
#endif
		.on_status = on_reason,
		.on_version_complete = check_version,
		.on_header_field = on_name,
		.on_header_field_complete = on_name_end,
		.on_header_value = on_value,
		.on_header_value_complete = on_value_end,
		.on_headers_complete = on_head_end,
		.on_chunk_extension_name = on_extension,
		.on_chunk_extension_value = on_extension,
		.on_chunk_header = on_chunk,
		.on_body = on_body,
		.on_message_complete = on_end,
};

/* ---- ---- */

void reef_http_parser_init(struct reef_http_parser *p, bool response, const struct reef_http_limits *limits) {
	memset(p, 0, sizeof *p);
	p->limits = *limits;
	llhttp_init(&p->llhttp, response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
	p->llhttp.data = p;
}

void reef_http_parser_fini(struct reef_http_parser *p) {
	reef_free(p->text);
	reef_free(p->fields);
	reef_free(p->body);
}

static int status_of(llhttp_errno_t error) {
	switch (error) {
	case HPE_INVALID_METHOD:
		return 501;
	case HPE_INVALID_VERSION:
		return 505;
	default:
		return 400;
	}
}

static size_t execute(struct reef_http_parser *p, const char *bytes, size_t n) {
	llhttp_errno_t error = llhttp_execute(&p->llhttp, bytes, n);
	if (error == HPE_OK)
		return n;
	if (!p->done)
		parser_refuse(p, status_of(error), llhttp_get_error_reason(&p->llhttp));
	return (size_t)(llhttp_get_error_pos(&p->llhttp) - bytes);
}

/* Empty lines in front of a message are not seen by any callback, so the bytes of a head are counted here; and none is
 * parsed beyond the limit, so that it does not depend on how they are cut what is wrong first. */
size_t reef_http_parser_feed(struct reef_http_parser *p, const char *bytes, size_t n) {
	if (p->done || p->error)
		return 0;
	if (p->head_done)
		return execute(p, bytes, n);
	size_t room = p->limits.head - p->before_head, first = n < room ? n : room;
	size_t taken = execute(p, bytes, first);
	p->before_head += taken;
	if (p->done || p->error || taken == n)
		return taken;
	if (p->head_done)
		return taken + execute(p, bytes + taken, n - taken);
	parser_refuse(p, 413, "the head is too large");
	return taken;
}

void reef_http_parser_end(struct reef_http_parser *p) {
	if (p->done || p->error)
		return;
	if (llhttp_finish(&p->llhttp) != HPE_OK && !p->done)
		parser_refuse(p, 400, "the connection ended within a message");
	else if (!p->done)
		parser_refuse(p, 400, "the connection ended before a message");
}

void reef_http_parser_next(struct reef_http_parser *p) {
	if (p->error)
		return;
	llhttp_reset(&p->llhttp);
	if (p->body_room > KEPT) {
		reef_free(p->body);
		p->body = NULL;
		p->body_room = 0;
	}
	p->no_body = p->head_done = p->done = p->has_body = p->chunked = p->upgrade = p->keep_alive = p->expects = false;
	p->size = p->start_size = p->before_head = p->behind_head = p->body_size = 0;
	p->count = p->head_count = p->hosts = p->encodings = 0;
	p->protocol_size = 0;
	p->body_total = 0;
}
