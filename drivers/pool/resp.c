/* RESP replies: see frame.h.
 *
 * Nesting needs no stack: what matters is how many values are still to come. A scalar is one less; an aggregate of n is
 * n more and itself one less. Attributes and pushes are values on top of what was asked for.
 */
#include <string.h>

#include "frame.h"

#define MAX_LINE 65536
#define MAX_DIGITS 18
#define MAX_LEFT (UINT64_C(1) << 40) /* values; what is announced costs nothing until it comes */

static enum reef_frame bad(struct reef_frames *frames, const char *why) {
	frames->why = why;
	return REEF_FRAME_BAD;
}

/* The number behind a type byte, up to its CRLF. *next: what follows. */
static enum reef_frame read_number(struct reef_frames *frames, const char *p, const char *end, int64_t *value,
								   const char **next) {
	bool negative = p < end && *p == '-';
	int64_t n = 0;
	p += negative;
	const char *digits = p;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (p - digits == MAX_DIGITS)
			return bad(frames, "a length has too many digits");
		n = n * 10 + (*p - '0');
	}
	if (end - p < 2 && (p == end || *p == '\r'))
		return REEF_FRAME_INCOMPLETE;
	if (p == digits || p[0] != '\r' || p[1] != '\n')
		return bad(frames, "bad length");
	if (negative && n != 1)
		return bad(frames, "negative length");
	*value = negative ? -1 : n;
	*next = p + 2;
	return REEF_FRAME_COMPLETE;
}

static enum reef_frame skip_line(struct reef_frames *frames, const char *p, const char *end, const char **next) {
	const char *cr = memchr(p, '\r', (size_t)(end - p));
	if (cr == NULL || cr + 1 == end)
		return end - p > MAX_LINE ? bad(frames, "a line does not end") : REEF_FRAME_INCOMPLETE;
	if (cr[1] != '\n')
		return bad(frames, "a line ends with CR alone");
	*next = cr + 2;
	return REEF_FRAME_COMPLETE;
}

static enum reef_frame skip_string(struct reef_frames *frames, const char *bytes, const char *p, const char *end,
								   const char **next) {
	int64_t size;
	enum reef_frame found = read_number(frames, p, end, &size, &p);
	if (found != REEF_FRAME_COMPLETE)
		return found;
	*next = p;
	if (size < 0)
		return REEF_FRAME_COMPLETE;
	if ((uint64_t)size > frames->limit)
		return bad(frames, "a string is larger than the limit");
	if (end - p < size + 2) {
		frames->need = (size_t)(p - bytes) + (size_t)size + 2;
		return REEF_FRAME_INCOMPLETE;
	}
	if (p[size] != '\r' || p[size + 1] != '\n')
		return bad(frames, "a string has the wrong length");
	*next = p + size + 2;
	return REEF_FRAME_COMPLETE;
}

static enum reef_frame scan(struct reef_frames *frames, const char *bytes, size_t n) {
	const char *end = bytes + n;
	frames->need = 0;
	/* With nothing expected, a push may have begun; it ends when nothing is left of it. */
	bool unasked = frames->left == 0;
	while (frames->left > 0 || unasked) {
		const char *p = bytes + frames->at, *next = NULL;
		int64_t size = 0;
		if (frames->at > frames->limit)
			return bad(frames, "a reply is larger than the limit");
		if (p == end)
			return REEF_FRAME_INCOMPLETE;
		if (unasked && *p != '>')
			return bad(frames, "a reply that nobody asked for");
		enum reef_frame found;
		uint64_t values = 0;
		switch (*p) {
		case '$':
		case '=':
		case '!':
			found = skip_string(frames, bytes, p + 1, end, &next);
			break;
		case '+':
		case '-':
		case ':':
		case ',':
		case '#':
		case '_':
		case '(':
			found = skip_line(frames, p + 1, end, &next);
			break;
		case '*':
		case '~':
		case '>':
		case '%':
		case '|':
			found = read_number(frames, p + 1, end, &size, &next);
			if (size > 0)
				values = (uint64_t)size << (*p == '%' || *p == '|');
			break;
		default:
			return bad(frames, "bytes that are no reply");
		}
		if (found != REEF_FRAME_COMPLETE)
			return found;
		if (*p == '-' || *p == '!')
			frames->error++;
		if (*p != '|' && (*p != '>' || frames->stream))
			frames->left--;
		frames->left += values;
		if (frames->left > MAX_LEFT)
			return bad(frames, "too many elements");
		frames->at = (size_t)(next - bytes);
		unasked = false;
	}
	return REEF_FRAME_COMPLETE;
}

static void begin(struct reef_frames *frames, uint32_t replies) {
	frames->left = replies;
	frames->at = 0;
	frames->error = 0;
}

/* Ends a WATCH; while a transaction is open it is answered with +QUEUED. */
static const char probe[] = "*1\r\n$7\r\nUNWATCH\r\n";

static bool is_clean(const char *reply, size_t n) {
	return n == 5 && memcmp(reply, "+OK\r\n", 5) == 0;
}

const struct reef_pool_protocol reef_pool_resp = {
		.name = "redis",
		.begin = begin,
		.scan = scan,
		.probe = probe,
		.probe_size = sizeof(probe) - 1,
		.is_clean = is_clean,
};
