/* The Lua module `reef.config.core`. */
#ifndef REEF_DATASHEET_LUA_LOAD_H
#define REEF_DATASHEET_LUA_LOAD_H

/* Registers it. Start-up only. */
void reef_lua_load_setup(void);

#endif
