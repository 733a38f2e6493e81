/* Passwords in the form that both ends of a login compare (RFC 4013, "SASLprep"). The VM's own thread. */
#ifndef REEF_CRYPT_SASLPREP_H
#define REEF_CRYPT_SASLPREP_H

#include <lua.h>

/* saslprep(text) -> text | nil, why   for strings that are stored: unassigned code points are refused. */
int reef_saslprep(lua_State *L);

#endif
