/* Message digests for Lua: what modules are made of. The VM's own thread. */
#ifndef REEF_CRYPT_DIGEST_H
#define REEF_CRYPT_DIGEST_H

#include <stddef.h>

#include <lua.h>
#include <openssl/evp.h>

/* Push the bytes, and answer 1; raise if OpenSSL does not have the digest. The key and the text of the second are arguments
 * at these indices. */
int reef_digest_push(lua_State *L, const EVP_MD *md, const char *text, size_t size);
int reef_digest_push_hmac(lua_State *L, const EVP_MD *md, int key_arg, int text_arg);

#endif
