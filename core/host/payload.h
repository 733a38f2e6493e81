/* Between the bytes of messages and values on a Lua stack. Own slice only. */
#ifndef REEF_PAYLOAD_H
#define REEF_PAYLOAD_H

#include <lua.h>

struct reef_message;
struct reef_protocol;

/* A payload at `index`: nil, a string, or a light userdata that the message owns from now on, with its size behind. */
struct reef_message *reef_payload_check(lua_State *L, int index);
/* The values from `first` on through the protocol's pack. */
struct reef_message *reef_payload_pack(lua_State *L, const struct reef_protocol *protocol, int first);
/* Pushes the values of a message (for CODEC_USER and CODEC_NONE its bytes and their size); returns how many, or -1 with
 * an error text instead. */
int reef_payload_push(lua_State *L, int codec, const struct reef_message *m);

#endif
