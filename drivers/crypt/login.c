/* What the login protocol of `snax.loginserver` is made of: an exchange of keys modulo 2^64 - 59, and short message
 * authentication codes over eight-byte blocks. Kept because clients speak it; not for new designs. */
#include "login.h"
#include "core/chance.h"

#include <lauxlib.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

static uint32_t get32(const uint8_t *p) {
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p) {
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static int push64(lua_State *L, uint64_t v) {
	char p[8];
	for (int i = 0; i < 8; i++) {
		p[i] = (char)(v >> (8 * i));
	}
	lua_pushlstring(L, p, sizeof(p));
	return 1;
}

static const uint8_t *check8(lua_State *L, int arg) {
	size_t size;
	const char *s = luaL_checklstring(L, arg, &size);
	if (size != 8) {
		luaL_error(L, "Invalid uint64 value: argument %d has %d bytes, need 8", arg, (int)size);
	}
	return (const uint8_t *)s;
}

/* Eight bytes whose exclusive or is not zero. */
static int random_key(lua_State *L) {
	uint8_t p[8], x;
	do {
		if (!reef_chance_fill(p, sizeof(p), true)) {
			return luaL_error(L, "no random numbers");
		}
		x = 0;
		for (size_t i = 0; i < sizeof(p); i++) {
			x ^= p[i];
		}
	} while (x == 0);
	lua_pushlstring(L, (const char *)p, sizeof(p));
	return 1;
}

/* ---- hashes of text ---- */

static uint64_t hash_text(const char *s, size_t size) {
	uint32_t djb = 5381;
	uint32_t js = 1315423911;
	for (size_t i = 0; i < size; i++) {
		uint8_t c = (uint8_t)s[i];
		djb += (djb << 5) + c;
		js ^= (js << 5) + c + (js >> 2);
	}
	return djb | (uint64_t)js << 32;
}

static int hash_key(lua_State *L) {
	size_t size;
	const char *s = luaL_checklstring(L, 1, &size);
	return push64(L, hash_text(s, size));
}

/* ---- one MD5 compression (RFC 1321, section 3.4), without adding the start values at the end ---- */

static uint32_t rotate(uint32_t v, unsigned n) {
	return v << n | v >> (32 - n);
}

static void md5_compress(uint32_t state[4], const uint32_t words[16]) {
	static const uint8_t shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
	/* floor(2^32 * abs(sin(i + 1))) */
	static const uint32_t sines[64] = {
			0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
			0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
			0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
			0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
			0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
			0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
			0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
			0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
	};
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	for (unsigned i = 0; i < 64; i++) {
		uint32_t f;
		unsigned g;
		switch (i / 16) {
		case 0:
			f = (b & c) | (~b & d);
			g = i;
			break;
		case 1:
			f = (d & b) | (~d & c);
			g = (5 * i + 1) % 16;
			break;
		case 2:
			f = b ^ c ^ d;
			g = (3 * i + 5) % 16;
			break;
		default:
			f = c ^ (b | ~d);
			g = 7 * i % 16;
			break;
		}
		uint32_t next = b + rotate(a + f + sines[i] + words[g], shifts[i / 16][i % 4]);
		a = d;
		d = c;
		c = b;
		b = next;
	}
	state[0] = a;
	state[1] = b;
	state[2] = c;
	state[3] = d;
}

static uint64_t mac64(uint64_t x, uint64_t y) {
	uint32_t words[16];
	uint32_t s[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
	for (int i = 0; i < 16; i += 4) {
		words[i] = (uint32_t)(x >> 32);
		words[i + 1] = (uint32_t)x;
		words[i + 2] = (uint32_t)(y >> 32);
		words[i + 3] = (uint32_t)y;
	}
	md5_compress(s, words);
	return (s[2] ^ s[3]) | (uint64_t)(s[0] ^ s[1]) << 32;
}

static int hmac64(lua_State *L) {
	return push64(L, mac64(get64(check8(L, 1)), get64(check8(L, 2))));
}

static int hmac64_md5(lua_State *L) {
	uint8_t text[48], digest[EVP_MAX_MD_SIZE];
	const uint8_t *x = check8(L, 1);
	const uint8_t *y = check8(L, 2);
	for (int i = 0; i < 48; i += 16) {
		memcpy(text + i, x, 8);
		memcpy(text + i + 8, y, 8);
	}
	if (EVP_Digest(text, sizeof(text), digest, NULL, EVP_md5(), NULL) != 1) {
		return luaL_error(L, "MD5 is not available");
	}
	return push64(L, get64(digest) ^ get64(digest + 8));
}

static int hmac_hash(lua_State *L) {
	size_t size;
	const uint8_t *key = check8(L, 1);
	const char *text = luaL_checklstring(L, 2, &size);
	return push64(L, mac64(hash_text(text, size), get64(key)));
}

/* ---- exchange of keys ---- */

#define MODULUS UINT64_C(0xffffffffffffffc5)

static uint64_t multiply(uint64_t a, uint64_t b) {
	return (uint64_t)((unsigned __int128)a * b % MODULUS);
}

static uint64_t power(uint64_t base, uint64_t exponent) {
	uint64_t result = 1;
	base %= MODULUS;
	for (; exponent > 0; exponent >>= 1) {
		if (exponent & 1) {
			result = multiply(result, base);
		}
		base = multiply(base, base);
	}
	return result;
}

static uint64_t login_check_number(lua_State *L, int arg) {
	uint64_t n = get64(check8(L, arg));
	if (n == 0) {
		luaL_error(L, "Can't be 0");
	}
	return n;
}

static int dh_exchange(lua_State *L) {
	return push64(L, power(5, login_check_number(L, 1)));
}

static int dh_secret(lua_State *L) {
	uint64_t public = login_check_number(L, 1);
	return push64(L, power(public, login_check_number(L, 2)));
}

void reef_login_register(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"randomkey", random_key}, {"hashkey", hash_key},       {"hmac64", hmac64},      {"hmac64_md5", hmac64_md5},
			{"hmac_hash", hmac_hash},  {"dhexchange", dh_exchange}, {"dhsecret", dh_secret}, {NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
}
