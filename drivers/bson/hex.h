/* Bytes as hexadecimal text. Free of state. */
#ifndef REEF_BSON_HEX_H
#define REEF_BSON_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -1 if c is no hexadecimal digit of either case. */
static inline int reef_hex_digit(char c) {
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads an even number of digits. */
static inline bool reef_hex_decode(uint8_t *out, const char *s, size_t digits) {
	for (size_t i = 0; i < digits; i += 2) {
		int high = reef_hex_digit(s[i]);
		int low = reef_hex_digit(s[i + 1]);
		if (high < 0 || low < 0) {
			return false;
		}
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Writes two lower-case digits a byte, and no NUL. */
static inline void reef_hex_encode(char *out, const uint8_t *bytes, size_t size) {
	for (size_t i = 0; i < size; i++) {
		out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
}

/* The text of a UUID: 8-4-4-4-12 digits (RFC 9562, section 4). */
static inline bool reef_hex_decode_uuid(uint8_t uuid[16], const char *s, size_t size) {
	char digits[32];
	size_t n = 0;
	if (size != 36) {
		return false;
	}
	for (size_t i = 0; i < size; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		if (hyphen != (s[i] == '-')) {
			return false;
		}
		if (!hyphen) {
			digits[n++] = s[i];
		}
	}
	return reef_hex_decode(uuid, digits, sizeof(digits));
}

#endif
