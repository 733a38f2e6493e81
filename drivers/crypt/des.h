/* Single DES, ECB, as the login protocol wants it. The VM's own thread. */
#ifndef REEF_CRYPT_DES_H
#define REEF_CRYPT_DES_H

#include <lua.h>

/* Adds the functions to the module on top of the stack. */
void reef_des_register(lua_State *L);

#endif
