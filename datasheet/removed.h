/* The metatable of rows that were removed: whoever still holds one is told. */
#ifndef REEF_DATASHEET_REMOVED_H
#define REEF_DATASHEET_REMOVED_H

#include <stdbool.h>

#include "row.h"

/* Makes it, once in the process; it is never freed. By who is publishing. False when out of memory. */
bool reef_removed_prepare(lua_State *L);
/* Once it is made. */
Table *reef_removed_metatable(void);

#endif
