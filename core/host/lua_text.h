/* The Lua module `reef.text`: what may be shown of text from elsewhere. */
#ifndef REEF_LUA_TEXT_H
#define REEF_LUA_TEXT_H

#include <lua.h>

int reef_open_text(lua_State *L);

#endif
