/* Cryptography for Lua: `skynet.crypt` (and `client.crypt`), `md5`, and what drivers need beyond (`reef.digest`).
 *
 * Primitives are OpenSSL's. All functions here are for the VM's own thread; they keep nothing between calls.
 */
#ifndef REEF_CRYPT_H
#define REEF_CRYPT_H

#include <lua.h>

void reef_crypt_setup(void);

int reef_open_crypt(lua_State *L);
int reef_open_md5(lua_State *L);
int reef_open_digest(lua_State *L);

/* Functions that a module is made of: text encodings, DES, and the login protocol's own. */
void reef_crypt_register_encodings(lua_State *L);
void reef_crypt_register_des(lua_State *L);
void reef_crypt_register_login(lua_State *L);
int reef_crypt_saslprep(lua_State *L);

#endif
