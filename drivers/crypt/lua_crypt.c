/* The Lua module `skynet.crypt`, also called `client.crypt`. */
#include "lua_crypt.h"

#include <lauxlib.h>
#include <openssl/evp.h>

#include "des.h"
#include "digest.h"
#include "encodings.h"
#include "login.h"

static int crypt_sha1(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	return reef_digest_push(L, EVP_sha1(), text, size);
}

static int crypt_hmac_sha1(lua_State *L) {
	return reef_digest_push_hmac(L, EVP_sha1(), 1, 2);
}

int reef_lua_crypt_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"sha1", crypt_sha1},
			{"hmac_sha1", crypt_hmac_sha1},
			{NULL, NULL},
	};
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	reef_encodings_register(L);
	reef_des_register(L);
	reef_login_register(L);
	return 1;
}
