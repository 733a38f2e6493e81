/* See utf8.h. */
#include "core/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_continuation(uint8_t c) {
	return (c & 0xc0) == 0x80;
}

/* Bytes of the sequence at s, 0 if it is not valid UTF-8 (RFC 3629, section 4). */
static size_t utf8_sequence(const uint8_t *s, size_t left) {
	uint8_t c = s[0];
	if (c < 0x80) {
		return 1;
	}
	if (c < 0xc2 || c > 0xf4) {
		return 0;
	}
	size_t size = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (left < size) {
		return 0;
	}
	uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (s[1] < low || s[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < size; i++) {
		if (!is_continuation(s[i])) {
			return 0;
		}
	}
	return size;
}

/* Eight bytes. */
static bool is_ascii(const uint8_t *s) {
	uint64_t word;
	memcpy(&word, s, 8);
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool reef_utf8_valid(const char *text, size_t size) {
	const uint8_t *s = (const uint8_t *)text;
	if (size >= 8) {
		while (size > 8 && is_ascii(s)) {
			s += 8;
			size -= 8;
		}
		/* The last word overlaps the one before. */
		if (size <= 8 && is_ascii(s + size - 8)) {
			return true;
		}
	}
	while (size > 0) {
		size_t n = utf8_sequence(s, size);
		if (n == 0) {
			return false;
		}
		s += n;
		size -= n;
	}
	return true;
}
