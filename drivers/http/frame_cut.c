/* See frame_cut.h. RFC 6455, section 5.2, as far as lengths go. */
#include "drivers/http/frame_cut.h"

#include <string.h>

#define CLOSE 8

/* How many bytes of the frame that begins there have to be together; of these, *payload is how many more it has. With fewer than
 * that there, it may only say how many have to be known first. */
static size_t needed(const uint8_t *frame, size_t n, uint64_t *payload) {
	*payload = 0;
	if (n < 2)
		return 2;
	unsigned length = frame[1] & 0x7f;
	size_t wide = length == 126 ? 2 : length == 127 ? 8 : 0;
	size_t head = 2 + wide + (frame[1] & 0x80 ? 4 : 0);
	if (n < head)
		return head;
	*payload = wide == 0 ? length : 0;
	for (size_t i = 0; i < wide; i++)
		*payload = *payload << 8 | frame[2 + i];
	if ((frame[0] & 15) != CLOSE || *payload > REEF_FRAME_CONTROL_MOST)
		return head;
	head += (size_t)*payload;
	*payload = 0;
	return head;
}

/* How many of the bytes may go on as they are. */
static size_t whole_part(struct reef_frame_cut *cut, const char *bytes, size_t n) {
	for (size_t at = 0;;) {
		if (cut->skip >= n - at) {
			cut->skip -= n - at;
			return n;
		}
		at += (size_t)cut->skip;
		cut->skip = 0;
		uint64_t payload;
		size_t need = needed((const uint8_t *)bytes + at, n - at, &payload);
		if (n - at < need)
			return at;
		at += need;
		cut->skip = payload;
	}
}

const char *reef_frame_cut_take(struct reef_frame_cut *cut, const char **bytes, size_t *n, size_t *size) {
	const char *from = *bytes;
	*size = cut->held_size == 0 ? whole_part(cut, from, *n) : 0;
	*bytes += *size;
	*n -= *size;
	if (*size > 0)
		return from;
	for (;;) {
		uint64_t payload;
		size_t need = needed(cut->held, cut->held_size, &payload);
		if (cut->held_size >= need) {
			cut->skip = payload;
			*size = cut->held_size;
			cut->held_size = 0;
			return (const char *)cut->held;
		}
		if (*n == 0)
			return NULL;
		size_t more = need - cut->held_size < *n ? need - cut->held_size : *n;
		memcpy(cut->held + cut->held_size, *bytes, more);
		cut->held_size += more;
		*bytes += more;
		*n -= more;
	}
}
