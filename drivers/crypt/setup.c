/* See setup.h. */
#include "setup.h"

#include "core/host/host.h"
#include "lua_crypt.h"
#include "lua_digest.h"
#include "lua_md5.h"

void reef_crypt_setup(void) {
	reef_host_preload("skynet.crypt", reef_lua_crypt_open);
	reef_host_preload("client.crypt", reef_lua_crypt_open);
	reef_host_preload("reef.digest", reef_lua_digest_open);
	reef_host_preload("md5", reef_lua_md5_open);
	reef_host_preload("md5.core", reef_lua_md5_open);
}
