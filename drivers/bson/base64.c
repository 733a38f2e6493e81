/* See base64.h. */
#include "base64.h"

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void reef_base64_encode_group(char out[4], const uint8_t *bytes, size_t size) {
	uint32_t bits = (uint32_t)bytes[0] << 16 | (size > 1 ? (uint32_t)bytes[1] << 8 : 0) | (size > 2 ? bytes[2] : 0);
	out[0] = base64_letters[bits >> 18];
	out[1] = base64_letters[bits >> 12 & 63];
	out[2] = size > 1 ? base64_letters[bits >> 6 & 63] : '=';
	out[3] = size > 2 ? base64_letters[bits & 63] : '=';
}

static int base64_digit(char c) {
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool reef_base64_decode(uint8_t *text, size_t *size) {
	uint8_t *out = text;
	uint32_t bits = 0;
	size_t digits = *size;
	while (digits > 0 && text[digits - 1] == '=') {
		digits--;
	}
	for (size_t i = 0; i < digits; i++) {
		int d = base64_digit((char)text[i]);
		if (d < 0) {
			return false;
		}
		bits = bits << 6 | (uint32_t)d;
		if (i % 4 != 0) {
			*out++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
		}
	}
	*size = (size_t)(out - text);
	return digits % 4 != 1;
}
