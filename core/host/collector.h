/* When a VM collects its garbage while it begins: not before its start function has returned. Own slice only. */
#ifndef REEF_COLLECTOR_H
#define REEF_COLLECTOR_H

#include <lua.h>

/* What the VM may allocate from now on before its first collection. */
void reef_collector_allowance(lua_State *L);

/* A VM that is a copy of one whose main function has run is in the generational mode from the beginning, since all in it
 * is old. Whoever has to do with its collector before its start function has returned finds it as it is in others. */
void reef_collector_as_usual(lua_State *L);
/* The start function has returned: what loading has left is collected, once, by going over to the generational mode; a
 * small service that waits afterwards holds nothing that it does not need. */
void reef_collector_settle(lua_State *L);

#endif
