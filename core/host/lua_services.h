/* The Lua module `reef.services`: all services of the process at a glance. Any service. */
#ifndef REEF_LUA_SERVICES_H
#define REEF_LUA_SERVICES_H

#include <lua.h>

int reef_open_services(lua_State *L);

#endif
