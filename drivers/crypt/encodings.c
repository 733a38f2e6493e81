/* Bytes as text: hexadecimal and base64, as the API has them. */
#include "encodings.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

static int hex_encode(lua_State *L) {
	size_t size;
	const uint8_t *s = (const uint8_t *)luaL_checklstring(L, 1, &size);
	luaL_Buffer b;
	char *out = luaL_buffinitsize(L, &b, 2 * size);
	for (size_t i = 0; i < size; i++) {
		out[2 * i] = "0123456789abcdef"[s[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[s[i] & 15];
	}
	luaL_pushresultsize(&b, 2 * size);
	return 1;
}

static int lower_digit(char c) {
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_decode(lua_State *L) {
	size_t size;
	const char *s = luaL_checklstring(L, 1, &size);
	if (size % 2 != 0) {
		return luaL_error(L, "Invalid hex text size %d", (int)size);
	}
	luaL_Buffer b;
	char *out = luaL_buffinitsize(L, &b, size / 2);
	for (size_t i = 0; i < size; i += 2) {
		int high = lower_digit(s[i]);
		int low = lower_digit(s[i + 1]);
		if (high < 0 || low < 0) {
			return luaL_error(L, "Invalid hex text");
		}
		out[i / 2] = (char)(high << 4 | low);
	}
	luaL_pushresultsize(&b, size / 2);
	return 1;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_encode(lua_State *L) {
	size_t size;
	const uint8_t *s = (const uint8_t *)luaL_checklstring(L, 1, &size);
	size_t room = (size + 2) / 3 * 4;
	luaL_Buffer b;
	char *out = luaL_buffinitsize(L, &b, room);
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t bits = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (left > 2 ? s[i + 2] : 0);
		*out++ = base64_digits[bits >> 18];
		*out++ = base64_digits[bits >> 12 & 63];
		*out++ = left > 1 ? base64_digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? base64_digits[bits & 63] : '=';
	}
	luaL_pushresultsize(&b, room);
	return 1;
}

/* Foreign characters are skipped; `=` ends the text, and only more of the same may follow it. */
static int base64_decode(lua_State *L) {
	size_t size;
	const char *s = luaL_checklstring(L, 1, &size);
	luaL_Buffer b;
	char *start = luaL_buffinitsize(L, &b, size / 4 * 3 + 3);
	char *out = start;
	uint32_t bits = 0;
	int digits = 0, padding = 0;
	for (size_t i = 0; i < size; i++) {
		const char *found = s[i] != 0 ? strchr(base64_digits, s[i]) : NULL;
		if (s[i] == '=') {
			padding++;
		} else if (found != NULL) {
			if (padding > 0) {
				return luaL_error(L, "Invalid base64 text");
			}
			bits = bits << 6 | (uint32_t)(found - base64_digits);
			if (++digits == 4) {
				*out++ = (char)(bits >> 16);
				*out++ = (char)(bits >> 8);
				*out++ = (char)bits;
				digits = 0;
			}
		}
	}
	if (digits == 1 || padding > 2 || (padding > 0 && digits + padding != 4)) {
		return luaL_error(L, "Invalid base64 text");
	}
	bits <<= 6 * (4 - digits);
	if (digits >= 2) {
		*out++ = (char)(bits >> 16);
	}
	if (digits == 3) {
		*out++ = (char)(bits >> 8);
	}
	luaL_pushresultsize(&b, (size_t)(out - start));
	return 1;
}

/* xor_str(a, b): b repeated over a */
static int xor_string(lua_State *L) {
	size_t size, key_size;
	const char *s = luaL_checklstring(L, 1, &size);
	const char *key = luaL_checklstring(L, 2, &key_size);
	if (key_size == 0) {
		return luaL_error(L, "Can't xor empty string");
	}
	luaL_Buffer b;
	char *out = luaL_buffinitsize(L, &b, size);
	for (size_t i = 0; i < size; i++) {
		out[i] = (char)(s[i] ^ key[i % key_size]);
	}
	luaL_pushresultsize(&b, size);
	return 1;
}

void reef_encodings_register(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"hexencode", hex_encode},       {"hexdecode", hex_decode}, {"base64encode", base64_encode},
			{"base64decode", base64_decode}, {"xor_str", xor_string},   {NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
}
