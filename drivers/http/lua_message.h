/* Heads of HTTP messages, and small bodies, as bytes to be sent. */
#ifndef REEF_HTTP_LUA_MESSAGE_H
#define REEF_HTTP_LUA_MESSAGE_H

#include <lua.h>

/* Sets the functions `send`, `text`, `answer` and `date` of the table on top of the stack. */
void reef_lua_message_set(lua_State *L);

#endif
