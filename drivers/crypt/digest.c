/* See digest.h. */
#include "digest.h"

#include <stdint.h>

#include <lauxlib.h>
#include <openssl/hmac.h>

int reef_digest_push(lua_State *L, const EVP_MD *md, const char *text, size_t size) {
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (EVP_Digest(text, size, out, &n, md, NULL) != 1) {
		return luaL_error(L, "%s is not available", EVP_MD_get0_name(md));
	}
	lua_pushlstring(L, (const char *)out, n);
	return 1;
}

int reef_digest_push_hmac(lua_State *L, const EVP_MD *md, int key_arg, int text_arg) {
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
