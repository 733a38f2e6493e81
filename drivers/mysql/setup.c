/* See setup.h. */
#include "setup.h"

#include <lauxlib.h>
#ifdef REEF_MYSQL
#include <openssl/crypto.h>
#endif

#include "core/host/host.h"
#include "lua_mysql.h"

#ifndef REEF_MYSQL
int reef_open_mysql(lua_State *L) {
	return luaL_error(L, "built without MySQL: libmariadb (Debian: libmariadb-dev) was missing");
}
#endif

void reef_mysql_setup(void) {
#ifdef REEF_MYSQL
	/* A thread that still connects when the process ends may be inside; what it uses is not to be freed by then. It has to be
	 * said before anybody uses OpenSSL. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
#endif
	reef_host_preload("reef.mysql.core", reef_open_mysql);
}
