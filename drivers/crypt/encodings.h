/* Bytes as text: hexadecimal and base64. The VM's own thread. */
#ifndef REEF_CRYPT_ENCODINGS_H
#define REEF_CRYPT_ENCODINGS_H

#include <lua.h>

/* Adds the functions to the module on top of the stack. */
void reef_encodings_register(lua_State *L);

#endif
