/* Cryptography for Lua: `skynet.crypt` (and `client.crypt`), `md5`, and `reef.digest`. Primitives are OpenSSL's. */
#ifndef REEF_CRYPT_SETUP_H
#define REEF_CRYPT_SETUP_H

/* Registers the room's Lua modules. Start-up only. */
void reef_crypt_setup(void);

#endif
