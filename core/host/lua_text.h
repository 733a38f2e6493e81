/* The Lua modules `reef.text` (what may be shown of text from elsewhere) and `reef.log` (numbers about the log). */
#ifndef REEF_LUA_TEXT_H
#define REEF_LUA_TEXT_H

#include <lua.h>

int reef_open_text(lua_State *L);
int reef_open_log(lua_State *L);

#endif
