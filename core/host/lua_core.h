/* The Lua modules `reef.host` (the table `skynet`) and `skynet.core`. */
#ifndef REEF_LUA_CORE_H
#define REEF_LUA_CORE_H

/* Makes them known. Start-up only. */
void reef_core_setup(void);

#endif
