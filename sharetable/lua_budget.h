/* The module `reef.budget`. */
#ifndef REEF_SHARETABLE_LUA_BUDGET_H
#define REEF_SHARETABLE_LUA_BUDGET_H

#include <lua.h>

int reef_budget_open(lua_State *L);

#endif
