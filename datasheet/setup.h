/* Start-up of the room. */
#ifndef REEF_DATASHEET_SETUP_H
#define REEF_DATASHEET_SETUP_H

#include <lua.h>

/* Registers the room's Lua module. */
void reef_datasheet_setup(void);

/* The Lua module reef.datasheet.core. */
int reef_datasheet_open(lua_State *L);

#endif
