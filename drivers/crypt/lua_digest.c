/* The Lua module `reef.digest`: what drivers need beyond `skynet.crypt`. */
#include "lua_digest.h"
#include "core/chance.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "digest.h"
#include "saslprep.h"

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

/* digest.sum(name, text) -> bytes */
static int digest_sum(lua_State *L) {
	size_t size;
	const EVP_MD *md = check_digest(L, 1);
	const char *text = luaL_checklstring(L, 2, &size);
	return reef_digest_push(L, md, text, size);
}

/* digest.hmac(name, key, text) -> bytes */
static int digest_hmac(lua_State *L) {
	return reef_digest_push_hmac(L, check_digest(L, 1), 2, 3);
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
	if (!reef_chance_fill(out, (size_t)n, true)) {
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

int reef_lua_digest_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"sum", digest_sum},
			{"hmac", digest_hmac},
			{"pbkdf2", digest_pbkdf2},
			{"random", digest_random},
			{"equal", digest_equal},
			{"saslprep", reef_saslprep},
			{NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
