/* ltablib.c with loops over elements that can be interrupted (interrupt.h): their ends may be any integers. */
#define LUA_LIB
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "interrupt.h"

#define lua_geti(L, index, n) (reef_interrupt_step(L, REEF_STEPS_OF_ELEMENT), lua_geti(L, index, n))
#include "ltablib.c"
