/* The Lua module `reef.sim.core`, on which lualib/reef/sim.lua is built. */
#ifndef REEF_SIM_LUA_SIM_H
#define REEF_SIM_LUA_SIM_H

struct lua_State;

int reef_open_sim(struct lua_State *L);

#endif
