/* RESP replies: see frame.h.
 *
 * Nesting needs no stack: what matters is how many values the reply that has begun still lacks. A scalar is one less; an
 * aggregate of n is n more and itself one less. Attributes belong to what follows them, and pushes between replies to
 * nobody. What a value may look like is hiredis' word, with what drivers/redis/reply.h adds to it: tests/fuzz/resp_agree.c
 * holds both against each other.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "frame.h"

#define SMALLEST 3      /* bytes of a value */
#define SHORT 24        /* bytes of a line */
#define SHORT_NUMBER 15 /* digits */
#define LONG_DOUBLE 326 /* hiredis takes no longer ones */

static enum reef_frame resp_bad(struct reef_frames *frames, const char *why) {
	frames->why = why;
	return REEF_FRAME_BAD;
}

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

static bool is_type(char c) {
	switch (c) {
	case '+':
	case '-':
	case ':':
	case ',':
	case '#':
	case '_':
	case '(':
	case '$':
	case '=':
	case '!':
	case '*':
	case '~':
	case '>':
	case '%':
	case '|':
		return true;
	default:
		return false;
	}
}

/* Is p .. end a number as hiredis wants them: no zero or plus in front, within 64 bits? */
static bool read_number(const char *p, const char *end, int64_t *value) {
	bool negative = p < end && *p == '-';
	uint64_t n = 0, most = negative ? UINT64_C(1) << 63 : INT64_MAX;
	p += negative;
	if (p == end || (*p == '0' && (negative || p + 1 != end)))
		return false;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return false;
		uint64_t digit = (uint64_t)(*p - '0');
		if (n > most / 10 || n * 10 > most - digit)
			return false;
		n = n * 10 + digit;
	}
	*value = negative ? (int64_t)-n : (int64_t)n;
	return true;
}

/* Most numbers are short and not negative, and read in one go with their line's end: where that is; NULL: otherwise. */
static inline const char *short_number(const char *p, const char *end, int64_t *value) {
	const char *first = p;
	int64_t n = 0;
	while (p < end && is_digit(*p) && p - first < SHORT_NUMBER)
		n = n * 10 + (*p++ - '0');
	if (p == first || end - p < 2 || p[0] != '\r' || p[1] != '\n' || (*first == '0' && p - first > 1))
		return NULL;
	*value = n;
	return p;
}

/* Most lines are short, and looked through here: calls of memchr would cost more. */
static const char *short_line_end(const char *p, const char *end) {
	const char *stop = end - p > SHORT ? p + SHORT : end - 1;
	for (; p < stop; p++) {
		if (p[0] == '\r' && p[1] == '\n')
			return p;
	}
	return NULL;
}

/* Where the line that begins at p ends, at its CR; NULL: it does not yet. */
static const char *resp_line_end(struct reef_frames *frames, const char *bytes, const char *p, const char *end) {
	const char *found = short_line_end(p, end);
	if (found)
		return found;
	const char *from = bytes + frames->looked > p ? bytes + frames->looked : p;
	while (end - from >= 2 && (from = memchr(from, '\r', (size_t)(end - from) - 1)) != NULL) {
		if (from[1] == '\n')
			return from;
		from++;
	}
	/* The last byte may be a CR whose LF comes next. */
	frames->looked = end > bytes ? (size_t)(end - bytes) - 1 : 0;
	return NULL;
}

static bool is_simple(const char *p, size_t n) {
	if (n > SHORT)
		return memchr(p, '\r', n) == NULL && memchr(p, '\n', n) == NULL;
	while (n > 0 && *p != '\r' && *p != '\n')
		p++, n--;
	return n == 0;
}

static bool is_double(const char *p, size_t n) {
	char text[LONG_DOUBLE], *stop;
	if (n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	const char *word = text + (*text == '-');
	if (strcasecmp(word, "inf") == 0 || strcasecmp(word, "nan") == 0)
		return strlen(text) == n;
	double d = strtod(text, &stop);
	return n > 0 && text[0] != '\0' && stop == text + n && isfinite(d);
}

static bool is_big_number(const char *p, const char *end) {
	p += p < end && *p == '-';
	while (p < end && is_digit(*p))
		p++;
	return p == end;
}

/* Is p .. end what a line of that type may say? */
static bool is_line(char type, const char *p, const char *end) {
	int64_t value;
	size_t n = (size_t)(end - p);
	switch (type) {
	case ':':
		p += n >= 2 && *p == '+' && is_digit(p[1]);
		return read_number(p, end, &value);
	case ',':
		return is_double(p, n);
	case '#':
		return n == 1 && strchr("tTfF", *p) != NULL;
	case '_':
		return n == 0;
	case '(':
		return is_big_number(p, end);
	default:
		return is_simple(p, n);
	}
}

/* The string of that type and size whose bytes begin at p. */
static enum reef_frame resp_skip_string(struct reef_frames *frames, const char *bytes, char type, int64_t size,
										const char *p, const char *end, const char **next) {
	*next = p;
	if (size == -1)
		return REEF_FRAME_COMPLETE;
	if (size < 0)
		return resp_bad(frames, "bad string length");
	if ((uint64_t)size > frames->limit)
		return resp_bad(frames, "a string is larger than the limit");
	if (end - p < size + 2) {
		frames->need = (size_t)(p - bytes) + (size_t)size + 2;
		return REEF_FRAME_INCOMPLETE;
	}
	if (type == '=' && (size < 4 || p[3] != ':'))
		return resp_bad(frames, "a verbatim string without its type");
	if (p[size] != '\r' || p[size + 1] != '\n')
		return resp_bad(frames, "a string has the wrong length");
	*next = p + size + 2;
	return REEF_FRAME_COMPLETE;
}

/* The value at p, and how many are inside it. */
static enum reef_frame skip_value(struct reef_frames *frames, const char *bytes, const char *p, const char *end,
								  const char **next, uint64_t *inside) {
	int64_t size = 0;
	if (!is_type(*p))
		return resp_bad(frames, "bytes that are no reply");
	const char *cr = short_number(p + 1, end, &size);
	bool number = cr != NULL;
	if (cr == NULL)
		cr = resp_line_end(frames, bytes, p + 1, end);
	if (cr == NULL)
		return (size_t)(end - p) > frames->limit ? resp_bad(frames, "a reply is larger than the limit")
												 : REEF_FRAME_INCOMPLETE;
	*next = cr + 2;
	switch (*p) {
	case '$':
	case '=':
	case '!':
		if (!number && !read_number(p + 1, cr, &size))
			return resp_bad(frames, "bad string length");
		return resp_skip_string(frames, bytes, *p, size, cr + 2, end, next);
	case '*':
	case '~':
	case '>':
	case '%':
	case '|':
		if ((!number && !read_number(p + 1, cr, &size)) || size < -1)
			return resp_bad(frames, "bad number of elements");
		if (size > (int64_t)(frames->limit / SMALLEST))
			return resp_bad(frames, "a reply is larger than the limit");
		*inside = size > 0 ? (uint64_t)size << (*p == '%' || *p == '|') : 0;
		return REEF_FRAME_COMPLETE;
	case ':':
		if (number)
			return REEF_FRAME_COMPLETE;
		/* fall through */
	default:
		return is_line(*p, p + 1, cr) ? REEF_FRAME_COMPLETE : resp_bad(frames, "a line that is no value");
	}
}

static enum reef_frame scan_values(struct reef_frames *frames, const char *bytes, const char *end) {
	/* With nothing expected, a push may have begun; it ends when nothing is left of it. */
	bool unasked = frames->left == 0 && frames->inner == 0;
	while (frames->left > 0 || frames->inner > 0 || unasked) {
		const char *p = bytes + frames->at, *next = NULL;
		if (frames->at > frames->limit)
			return resp_bad(frames, "a reply is larger than the limit");
		if (p == end)
			return REEF_FRAME_INCOMPLETE;
		if (unasked && *p != '>' && *p != '|')
			return resp_bad(frames, "a reply that nobody asked for");
		uint64_t inside = 0;
		enum reef_frame found = skip_value(frames, bytes, p, end, &next, &inside);
		if (found != REEF_FRAME_COMPLETE)
			return found;
		frames->error += *p == '-' || *p == '!';
		if (frames->inner > 0)
			frames->inner -= *p != '|';
		else if (*p != '|' && (*p != '>' || frames->stream))
			frames->left -= !unasked;
		frames->inner += inside;
		frames->at = (size_t)(next - bytes);
		unasked = false;
	}
	return REEF_FRAME_COMPLETE;
}

/* Most replies are one string that has come as a whole, written in the one way that nearly all are: skips it. False: it is
 * something else, or looked at more closely. */
static inline bool skip_whole_string(struct reef_frames *frames, const char *bytes, const char *end) {
	const char *p = bytes + frames->at;
	int64_t size;
	if (p == end || *p != '$' || frames->at > frames->limit)
		return false;
	const char *cr = short_number(p + 1, end, &size);
	if (cr == NULL || (uint64_t)size > frames->limit || end - cr < size + 4)
		return false;
	p = cr + 2 + size;
	if (p[0] != '\r' || p[1] != '\n')
		return false;
	frames->at = (size_t)(p + 2 - bytes);
	return true;
}

static enum reef_frame resp_scan(struct reef_frames *frames, const char *bytes, size_t n) {
	const char *end = bytes + n;
	frames->need = 0;
	while (frames->inner == 0 && frames->left > 0 && skip_whole_string(frames, bytes, end)) {
		if (--frames->left == 0)
			return REEF_FRAME_COMPLETE;
	}
	return scan_values(frames, bytes, end);
}

static void resp_begin(struct reef_frames *frames, uint32_t replies) {
	frames->left = replies;
	frames->inner = 0;
	frames->at = frames->looked = 0;
	frames->error = 0;
}

/* Ends a WATCH; while a transaction is open it is answered with +QUEUED. */
static const char probe[] = "*1\r\n$7\r\nUNWATCH\r\n";

static bool is_clean(const char *reply, size_t n) {
	return n == 5 && memcmp(reply, "+OK\r\n", 5) == 0;
}

const struct reef_pool_protocol reef_pool_resp = {
		.name = "redis",
		.begin = resp_begin,
		.scan = resp_scan,
		.probe = probe,
		.probe_size = sizeof(probe) - 1,
		.is_clean = is_clean,
};
