/* The Lua module `md5`. */
#include "lua_md5.h"
#include "core/chance.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>
#include <openssl/evp.h>

#include "digest.h"

static int push_hex(lua_State *L) {
	size_t size;
	const uint8_t *s = (const uint8_t *)lua_tolstring(L, -1, &size);
	char out[2 * EVP_MAX_MD_SIZE];
	for (size_t i = 0; i < size; i++) {
		out[2 * i] = "0123456789abcdef"[s[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[s[i] & 15];
	}
	lua_pushlstring(L, out, 2 * size);
	return 1;
}

enum { MD5_SIZE = 16, KEY_MAX = 256 };

static int md5_sum(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	return reef_digest_push(L, EVP_md5(), text, size);
}

static int md5_sumhexa(lua_State *L) {
	md5_sum(L);
	return push_hex(L);
}

/* hmacmd5(data, key) -> hexadecimal */
static int md5_hmac(lua_State *L) {
	reef_digest_push_hmac(L, EVP_md5(), 2, 1);
	return push_hex(L);
}

static int md5_exor(lua_State *L) {
	size_t a_size, b_size;
	const char *a = luaL_checklstring(L, 1, &a_size);
	const char *b = luaL_checklstring(L, 2, &b_size);
	luaL_argcheck(L, a_size == b_size, 2, "lengths must be equal");
	luaL_Buffer buffer;
	char *out = luaL_buffinitsize(L, &buffer, a_size);
	for (size_t i = 0; i < a_size; i++) {
		out[i] = (char)(a[i] ^ b[i]);
	}
	luaL_pushresultsize(&buffer, a_size);
	return 1;
}

/* The stream of the `md5` library: each block is the digest of the last block of cipher text and the key. `feedback` is
 * true where the input is cipher text. */
static void add_stream(lua_State *L, luaL_Buffer *b, const char *seed, size_t seed_size, const char *text, size_t size,
					   bool feedback) {
	uint8_t block[MD5_SIZE + KEY_MAX], code[EVP_MAX_MD_SIZE];
	size_t key_size;
	const char *key = luaL_checklstring(L, 2, &key_size);
	luaL_argcheck(L, key_size <= KEY_MAX, 2, "key too long (> 256)");
	memcpy(block, seed, seed_size);
	memcpy(block + seed_size, key, key_size);
	for (size_t from = 0; from < size; from += MD5_SIZE) {
		size_t n = size - from < MD5_SIZE ? size - from : MD5_SIZE;
		if (EVP_Digest(block, seed_size + key_size, code, NULL, EVP_md5(), NULL) != 1) {
			luaL_error(L, "MD5 is not available");
		}
		for (size_t i = 0; i < n; i++) {
			code[i] = (uint8_t)(code[i] ^ (uint8_t)text[from + i]);
		}
		luaL_addlstring(b, (const char *)code, n);
		memcpy(block, feedback ? (const uint8_t *)text + from : code,
			   n < seed_size + key_size ? n : seed_size + key_size);
	}
}

/* crypt(text, key [, seed]) */
static int md5_crypt(lua_State *L) {
	size_t size, seed_size;
	char chance[MD5_SIZE];
	const char *text = luaL_checklstring(L, 1, &size);
	if (lua_isnoneornil(L, 3)) {
		if (!reef_chance_fill(chance, sizeof(chance), true)) {
			return luaL_error(L, "no random numbers");
		}
		lua_settop(L, 2);
		lua_pushlstring(L, chance, sizeof(chance));
	}
	const char *seed = luaL_checklstring(L, 3, &seed_size);
	luaL_argcheck(L, seed_size <= MD5_SIZE, 3, "seed too long (> 16)");
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	luaL_addchar(&b, (char)seed_size);
	luaL_addlstring(&b, seed, seed_size);
	add_stream(L, &b, seed, seed_size, text, size, false);
	luaL_pushresult(&b);
	return 1;
}

/* decrypt(cipher text, key) */
static int md5_decrypt(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	size_t seed_size = size > 0 ? (uint8_t)text[0] : MD5_SIZE + 1;
	luaL_argcheck(L, seed_size <= MD5_SIZE && size >= seed_size + 1, 1, "invalid cyphered string");
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	add_stream(L, &b, text + 1, seed_size, text + 1 + seed_size, size - 1 - seed_size, true);
	luaL_pushresult(&b);
	return 1;
}

int reef_lua_md5_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"sum", md5_sum},     {"sumhexa", md5_sumhexa}, {"hmacmd5", md5_hmac}, {"exor", md5_exor},
			{"crypt", md5_crypt}, {"decrypt", md5_decrypt}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
