/* Single DES, ECB, as the login protocol wants it. OpenSSL's default provider has only the triple one, which with the
 * same key three times is the single one: the first two passes undo each other. */
#include "des.h"

#include <lauxlib.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 8 };
enum padding { ISO7816_4 = 0, PKCS7 = 1 };

static const uint8_t *check_des_key(lua_State *L) {
	size_t size;
	const char *key = luaL_checklstring(L, 1, &size);
	if (size != BLOCK) {
		luaL_error(L, "Invalid key size %d, need 8 bytes", (int)size);
	}
	return (const uint8_t *)key;
}

static enum padding check_padding(lua_State *L) {
	lua_Integer padding = luaL_optinteger(L, 3, ISO7816_4);
	if (padding != ISO7816_4 && padding != PKCS7) {
		luaL_error(L, "Invalid padding mode %d", (int)padding);
	}
	return (enum padding)padding;
}

/* `size` is a multiple of the block's. */
static void des_run(lua_State *L, const uint8_t *key, bool encrypt, const uint8_t *in, uint8_t *out, size_t size) {
	uint8_t triple[3 * BLOCK];
	int used = 0;
	for (int i = 0; i < 3; i++) {
		memcpy(triple + i * BLOCK, key, BLOCK);
	}
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool ok = c != NULL && EVP_CipherInit_ex(c, EVP_des_ede3_ecb(), NULL, triple, NULL, encrypt) == 1 &&
			  EVP_CIPHER_CTX_set_padding(c, 0) == 1 && EVP_CipherUpdate(c, out, &used, in, (int)size) == 1;
	EVP_CIPHER_CTX_free(c);
	if (!ok || (size_t)used != size) {
		luaL_error(L, "DES is not available");
	}
}

static int des_encode(lua_State *L) {
	const uint8_t *key = check_des_key(L);
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	enum padding padding = check_padding(L);
	size_t extra = BLOCK - size % BLOCK;
	luaL_argcheck(L, size < INT32_MAX - BLOCK, 2, "text too long");
	uint8_t *padded = lua_newuserdatauv(L, size + extra, 0);
	memcpy(padded, text, size);
	memset(padded + size, padding == PKCS7 ? (int)extra : 0, extra);
	if (padding == ISO7816_4) {
		padded[size] = 0x80;
	}
	luaL_Buffer b;
	char *out = luaL_buffinitsize(L, &b, size + extra);
	des_run(L, key, true, padded, (uint8_t *)out, size + extra);
	luaL_pushresultsize(&b, size + extra);
	return 1;
}

/* Bytes of padding at the end of the text, 0 if there is none. */
static size_t padding_size(const uint8_t *text, size_t size, enum padding padding) {
	size_t n = 0;
	if (padding == ISO7816_4) {
		while (n < BLOCK && text[size - 1 - n] == 0) {
			n++;
		}
		return n < BLOCK && text[size - 1 - n] == 0x80 ? n + 1 : 0;
	}
	size_t last = text[size - 1];
	if (last < 1 || last > BLOCK) {
		return 0;
	}
	while (n < last && text[size - 1 - n] == last) {
		n++;
	}
	return n == last ? n : 0;
}

static int des_decode(lua_State *L) {
	const uint8_t *key = check_des_key(L);
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	enum padding padding = check_padding(L);
	if (size == 0 || size % BLOCK != 0 || size > INT32_MAX) {
		return luaL_error(L, "Invalid des crypt text length %d", (int)size);
	}
	luaL_Buffer b;
	uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, size);
	des_run(L, key, false, (const uint8_t *)text, out, size);
	size_t extra = padding_size(out, size, padding);
	if (extra == 0) {
		return luaL_error(L, "Invalid des crypt text");
	}
	luaL_pushresultsize(&b, size - extra);
	return 1;
}

void reef_des_register(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"desencode", des_encode},
			{"desdecode", des_decode},
			{NULL, NULL},
	};
	luaL_setfuncs(L, functions, 0);
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, ISO7816_4);
	lua_setfield(L, -2, "iso7816_4");
	lua_pushinteger(L, PKCS7);
	lua_setfield(L, -2, "pkcs7");
	lua_setfield(L, -2, "padding");
}
