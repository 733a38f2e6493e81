/* Lua functions about configuration files: see lua_settings.c. */
#ifndef REEF_HOST_LUA_SETTINGS_H
#define REEF_HOST_LUA_SETTINGS_H

#include <lua.h>

int reef_open_settings(lua_State *L);

#endif
