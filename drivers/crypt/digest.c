/* Message digests: `reef.digest` for drivers, and the parts of `skynet.crypt` and `md5` that are digests. */
#include "crypt.h"

#include <lauxlib.h>
#include <math.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const EVP_MD *check_digest(lua_State *L, int arg) {
	static const char *const names[] = {"md5", "sha1", "sha256", "sha512", NULL};
	switch (luaL_checkoption(L, arg, NULL, names)) {
	case 0:
		return EVP_md5();
	case 1:
		return EVP_sha1();
	case 2:
		return EVP_sha256();
	default:
		return EVP_sha512();
	}
}

static int push_digest(lua_State *L, const EVP_MD *md, const char *text, size_t size) {
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (EVP_Digest(text, size, out, &n, md, NULL) != 1) {
		return luaL_error(L, "%s is not available", EVP_MD_get0_name(md));
	}
	lua_pushlstring(L, (const char *)out, n);
	return 1;
}

static int push_hmac(lua_State *L, const EVP_MD *md, int key_arg, int text_arg) {
	uint8_t out[EVP_MAX_MD_SIZE];
	size_t key_size, size;
	unsigned n = 0;
	const char *key = luaL_checklstring(L, key_arg, &key_size);
	const char *text = luaL_checklstring(L, text_arg, &size);
	luaL_argcheck(L, key_size <= INT32_MAX, key_arg, "key too long");
	if (HMAC(md, key, (int)key_size, (const uint8_t *)text, size, out, &n) == NULL) {
		return luaL_error(L, "%s is not available", EVP_MD_get0_name(md));
	}
	lua_pushlstring(L, (const char *)out, n);
	return 1;
}

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

/* ---- reef.digest ---- */

/* digest.sum(name, text) -> bytes */
static int digest_sum(lua_State *L) {
	size_t size;
	const EVP_MD *md = check_digest(L, 1);
	const char *text = luaL_checklstring(L, 2, &size);
	return push_digest(L, md, text, size);
}

/* digest.hmac(name, key, text) -> bytes */
static int digest_hmac(lua_State *L) {
	return push_hmac(L, check_digest(L, 1), 2, 3);
}

#define PROBE_ITERATIONS 2048
#define CHEAP_ITERATIONS 65536 /* not worth to be estimated */

static double thread_seconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* digest.pbkdf2(name, password, salt, iterations [, seconds]) -> as many bytes as the digest has (RFC 8018, section 5.2);
 * or, when that would take more than so many seconds of CPU time, nil and how many */
static int digest_pbkdf2(lua_State *L) {
	uint8_t out[EVP_MAX_MD_SIZE];
	size_t size, salt_size;
	const EVP_MD *md = check_digest(L, 1);
	const char *password = luaL_checklstring(L, 2, &size);
	const uint8_t *salt = (const uint8_t *)luaL_checklstring(L, 3, &salt_size);
	lua_Integer iterations = luaL_checkinteger(L, 4);
	lua_Number most = luaL_optnumber(L, 5, HUGE_VAL);
	int n = EVP_MD_get_size(md);
	luaL_argcheck(L, size <= INT32_MAX && salt_size <= INT32_MAX, 2, "too long");
	luaL_argcheck(L, iterations > 0, 4, "iterations out of range");
	bool ok = true;
	if (iterations > CHEAP_ITERATIONS) {
		double start = thread_seconds();
		ok = PKCS5_PBKDF2_HMAC(password, (int)size, salt, (int)salt_size, PROBE_ITERATIONS, md, n, out) == 1;
		double estimate = (thread_seconds() - start) / PROBE_ITERATIONS * (double)iterations;
		if (estimate > most || iterations > INT32_MAX) {
			lua_pushnil(L);
			lua_pushnumber(L, estimate);
			return 2;
		}
	}
	if (!ok || PKCS5_PBKDF2_HMAC(password, (int)size, salt, (int)salt_size, (int)iterations, md, n, out) != 1)
		return luaL_error(L, "key derivation failed");
	lua_pushlstring(L, (const char *)out, (size_t)n);
	OPENSSL_cleanse(out, sizeof(out));
	return 1;
}

/* digest.random(n) -> bytes nobody can guess */
static int digest_random(lua_State *L) {
	lua_Integer n = luaL_checkinteger(L, 1);
	luaL_argcheck(L, n >= 0 && n <= 256, 1, "not 0..256");
	char out[256];
	if (getrandom(out, (size_t)n, 0) != (ssize_t)n) {
		return luaL_error(L, "no random numbers");
	}
	lua_pushlstring(L, out, (size_t)n);
	return 1;
}

/* digest.equal(a, b): compares in a time that tells nothing of where they differ */
static int digest_equal(lua_State *L) {
	size_t a_size, b_size;
	const char *a = luaL_checklstring(L, 1, &a_size);
	const char *b = luaL_checklstring(L, 2, &b_size);
	lua_pushboolean(L, a_size == b_size && CRYPTO_memcmp(a, b, a_size) == 0);
	return 1;
}

int reef_open_digest(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"sum", digest_sum},
			{"hmac", digest_hmac},
			{"pbkdf2", digest_pbkdf2},
			{"random", digest_random},
			{"equal", digest_equal},
			{"saslprep", reef_crypt_saslprep},
			{NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}

/* ---- skynet.crypt ---- */

static int crypt_sha1(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	return push_digest(L, EVP_sha1(), text, size);
}

static int crypt_hmac_sha1(lua_State *L) {
	return push_hmac(L, EVP_sha1(), 1, 2);
}

int reef_open_crypt(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"sha1", crypt_sha1},
			{"hmac_sha1", crypt_hmac_sha1},
			{NULL, NULL},
	};
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	reef_crypt_register_encodings(L);
	reef_crypt_register_des(L);
	reef_crypt_register_login(L);
	return 1;
}

/* ---- md5 ---- */

enum { MD5_SIZE = 16, KEY_MAX = 256 };

static int md5_sum(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	return push_digest(L, EVP_md5(), text, size);
}

static int md5_sumhexa(lua_State *L) {
	md5_sum(L);
	return push_hex(L);
}

/* hmacmd5(data, key) -> hexadecimal */
static int md5_hmac(lua_State *L) {
	push_hmac(L, EVP_md5(), 2, 1);
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
		if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
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

int reef_open_md5(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"sum", md5_sum},     {"sumhexa", md5_sumhexa}, {"hmacmd5", md5_hmac}, {"exor", md5_exor},
			{"crypt", md5_crypt}, {"decrypt", md5_decrypt}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
