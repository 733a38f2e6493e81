/* The login protocol's own functions. The VM's own thread. */
#ifndef REEF_CRYPT_LOGIN_H
#define REEF_CRYPT_LOGIN_H

#include <lua.h>

/* Adds the functions to the module on top of the stack. */
void reef_login_register(lua_State *L);

#endif
