/* `reef.record.core`: what the console and configurations have of recording. */
#ifndef REEF_LUA_RECORD_H
#define REEF_LUA_RECORD_H

#include <lua.h>

int reef_open_record(lua_State *L);

#endif
